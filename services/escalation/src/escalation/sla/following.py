"""Following what is told of tickets, and the passing of time: fold, compare with what was told, tell, and save."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from common.backbone.consumer import caused_by
from common.timers import clear_timers, set_timers
from common.transaction import Origin, Transaction
from contracts.envelope import Event, subject_of
from contracts.escalation import SlaPolicyApplied
from contracts.registry import Body
from escalation.sla import store
from escalation.sla.book import read_book
from escalation.sla.domain import KINDS, VOID, Book, Clock
from escalation.sla.effects import Folded
from escalation.sla.fold import IsLate, extend, fold
from escalation.sla.store import Kept, Standing
from escalation.sla.telling import UNTOLD, Occasion, Told, take_away, tell
from escalation.tickets.usecases import list_log

CLOCK_TIMER = "sla_clocks"
"""One timer for each ticket: when there is next something to tell of its clocks by the passing of time alone."""


async def follow_clocks(tx: Transaction, events: Sequence[Event]) -> None:
    """Fold a batch of events into the clocks of their tickets, in order per source, and tell what changed.

    An event that belongs before one that was folded already makes the ticket's clocks be folded anew from the log, in
    which the handler of tickets has just put it.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    by_ticket: dict[UUID, list[Event]] = {}
    for event in events:
        by_ticket.setdefault(UUID(event.subject_id), []).append(event)
    ids = sorted(by_ticket)
    book = await read_book(tx.connection)
    standings = await store.lock_standings(tx.connection, ids, add=True)
    clocks = await store.list_clocks(tx.connection, ids, moving=True)
    batch = _Batch(tx=tx, book=book)
    late: list[Standing] = []
    for standing in standings:
        told_of, kept = by_ticket[standing.ticket_id], clocks[standing.ticket_id]
        try:
            folded, changed = _extend(standing.folded, kept, told_of, book)
        except IsLate:
            late.append(standing)
        else:
            batch.tell(standing, folded, kept, changed, Occasion(tx.now, told_of[-1].id), _caused_by_last(told_of))
    if late:
        await _fold_anew(batch, late, by_ticket)
    await batch.save()


async def fire_clocks(tx: Transaction, ticket_id: UUID, generation: int) -> None:
    """Tell what the passing of time has brought about for one ticket; nothing where all was told already."""
    book = await read_book(tx.connection)
    standings = await store.lock_standings(tx.connection, [ticket_id])
    clocks = await store.list_clocks(tx.connection, [ticket_id], moving=True)
    batch = _Batch(tx=tx, book=book)
    for standing in standings:
        if standing.generation != generation:
            continue  # an event came between, and set the timer anew
        kept = clocks[ticket_id]
        open_clocks = [each.clock for each in kept.values() if each.clock.is_open]
        batch.tell(standing, standing.folded, kept, open_clocks, Occasion(tx.now), tx.origin)
    await batch.save()


def _caused_by_last(events: Sequence[Event]) -> Origin:
    """The origin of what a batch of events about one ticket brings about."""
    return caused_by(events[-1], service="escalation")


def _extend(
    folded: Folded, kept: Mapping[UUID, Kept], events: Sequence[Event], book: Book
) -> tuple[Folded, list[Clock]]:
    clocks = {clock_id: each.clock for clock_id, each in kept.items()}
    changed: dict[UUID, Clock] = {}
    for event in events:
        folded, moved = extend(folded, clocks, event, book)
        for clock in moved:
            clocks[clock.clock_id] = changed[clock.clock_id] = clock
    return folded, list(changed.values())


async def _fold_anew(batch: "_Batch", late: Sequence[Standing], events: Mapping[UUID, Sequence[Event]]) -> None:
    ids = [standing.ticket_id for standing in late]
    logs = await list_log(batch.tx.connection, ids)
    clocks = await store.list_clocks(batch.tx.connection, ids)
    for standing in late:
        told_of, kept = events[standing.ticket_id], clocks[standing.ticket_id]
        folded, anew = fold(logs[standing.ticket_id], batch.book)
        occasion = Occasion(batch.tx.now, told_of[-1].id, refolded=True)
        changed = [
            clock for clock in anew.values() if clock.clock_id not in kept or kept[clock.clock_id].clock != clock
        ]
        gone = [each for clock_id, each in kept.items() if clock_id not in anew]
        batch.tell(standing, folded, kept, changed, occasion, _caused_by_last(told_of), gone=gone)


@dataclass(kw_only=True)
class _Batch:
    """What one transaction tells and saves."""

    tx: Transaction
    book: Book
    standings: list[Standing] = field(default_factory=list[Standing])
    clocks: list[Kept] = field(default_factory=list[Kept])
    due: list[tuple[UUID, int, datetime]] = field(default_factory=list[tuple[UUID, int, datetime]])
    idle: list[UUID] = field(default_factory=list[UUID])

    def tell(
        self,
        standing: Standing,
        folded: Folded,
        kept: Mapping[UUID, Kept],
        changed: Sequence[Clock],
        occasion: Occasion,
        origin: Origin,
        gone: Sequence[Kept] = (),
    ) -> None:
        """Compare what is so with what was told of one ticket, and note the difference."""
        bodies: list[Body] = []
        if folded.pinned is not None and folded.pinned[:2] != (standing.told_policy_id, standing.told_policy_version):
            bodies.append(
                SlaPolicyApplied(
                    ticket_id=standing.ticket_id,
                    policy_id=folded.pinned.policy_id,
                    version=folded.pinned.version,
                    cause=folded.pinned_by,
                    previous_policy_id=standing.told_policy_id,
                    previous_version=standing.told_policy_version,
                )
            )
            standing = replace(
                standing, told_policy_id=folded.pinned.policy_id, told_policy_version=folded.pinned.version
            )
        after = dict(kept)
        for each in gone:
            told, said = take_away(each.told, each.clock, occasion)
            bodies += said
            self._keep(after, each, replace(each.clock, state=VOID, deadline=None), told)
        for clock in sorted(changed, key=_told_order):
            before = kept.get(clock.clock_id)
            told, said = tell(clock, before.told if before else UNTOLD, self.book, occasion)
            bodies += said
            self._keep(after, before, clock, told)
        if bodies:
            self.tx.add_events(subject_of("ticket", standing.ticket_id), bodies, origin=origin)
        due = min((each.told.due_at for each in after.values() if each.told.due_at), default=None)
        standing = replace(standing, folded=folded, generation=standing.generation + 1)
        self.standings.append(standing)
        if due is None:
            self.idle.append(standing.ticket_id)
        else:
            self.due.append((standing.ticket_id, standing.generation, due))

    def _keep(self, after: dict[UUID, Kept], before: Kept | None, clock: Clock, told: Told) -> None:
        if before is None or before.clock != clock or before.told != told:
            after[clock.clock_id] = Kept(clock=clock, told=told)
            self.clocks.append(after[clock.clock_id])

    async def save(self) -> None:
        """Write everything, and set each ticket's timer."""
        if not self.standings:
            return
        await store.save_standings(self.tx.connection, self.standings)
        if self.clocks:
            await store.save_clocks(self.tx.connection, self.clocks)
        await set_timers(self.tx, CLOCK_TIMER, self.due)
        await clear_timers(self.tx, CLOCK_TIMER, self.idle)


def _told_order(clock: Clock) -> tuple[int, int]:
    return KINDS.index(clock.kind), clock.cycle
