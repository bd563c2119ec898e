"""Following events: which begin a run, which bring one nearer to its next step, and which make one needless."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from common.backbone.consumer import caused_by
from common.ids import new_id
from common.timers import hasten_timers
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.escalation import (
    HandoffDeclined,
    HandoffExpired,
    SlaBreached,
    SlaBreachWithdrawn,
    SlaClockCancelled,
    SlaClockResumed,
    SlaMet,
    SlaWarning,
)
from contracts.intake import TicketCreated, TicketStatusChanged
from contracts.registry import Body, decode_body
from contracts.routing import AgentPresenceChanged, AgentRegistered, AssignmentAssigned, WorkUnroutable
from escalation.escalations import store
from escalation.escalations.domain import (
    BREACH_PERCENT,
    Run,
    RunState,
    Trigger,
    hear_owner,
    mark,
    stop,
    tell_started,
)
from escalation.escalations.keeping import STEP_TIMER, Moved, keep
from escalation.escalations.past import ClockNews, Past, read_past
from escalation.escalations.policy import Version, choose
from escalation.handoffs.usecases import list_automatic
from escalation.tickets.domain import FINISHED, Ticket
from escalation.tickets.usecases import list_early, list_tickets

CONCERNED = (
    AssignmentAssigned,
    HandoffDeclined,
    HandoffExpired,
    SlaBreachWithdrawn,
    SlaBreached,
    SlaClockCancelled,
    SlaClockResumed,
    SlaMet,
    SlaWarning,
    TicketCreated,
    TicketStatusChanged,
    WorkUnroutable,
)
COMING = (AgentPresenceChanged, AgentRegistered)
_BEGINNING = frozenset(
    body.event_type
    for body in (HandoffDeclined, HandoffExpired, SlaBreached, SlaClockResumed, SlaWarning, WorkUnroutable)
)
_HELD_AT_ONCE = 200
_REFUSED = (HandoffDeclined, HandoffExpired)
_ENDS = {"ended": "met", "resolved": "resolved", "cancelled": "cancelled", "merged": "merged"}
"""What a run is told to have stopped by, by the reason of its clock's end; all others are `withdrawn`."""


async def follow_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Begin, mark and stop runs by a batch of events. Steps are taken by timers, right after.

    The handler of tickets has locked them.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    told = await _hear(tx, events)
    if not told:
        return
    ids = sorted({UUID(event.subject_id) for event, _ in told})
    tickets = await list_tickets(tx.connection, ids)
    before = await store.lock_live(tx.connection, ids)
    may_begin = any(event.type in _BEGINNING for event, _ in told)
    batch = _Batch(
        tickets=tickets,
        active=await store.list_active(tx.connection) if may_begin else (),
        runs={run.run_id: run for run in before},
        now=tx.now,
        automatic=await list_automatic(
            tx.connection, [body.handoff_id for _, body in told if isinstance(body, _REFUSED)]
        ),
        past=await read_past(tx, told),
    )
    for event, body in told:
        batch.follow(event, body)
    known = {run.run_id: run for run in before}
    changed = [run for run_id, run in batch.runs.items() if run != known.get(run_id)]
    # A run's state is saved once, whatever happened to it in between; what is told of it keeps its order and causes.
    await keep(tx, [*batch.told, *(Moved(run=run) for run in changed)])


async def follow_arrivals(tx: Transaction, _events: Sequence[Event]) -> None:
    """Somebody may have come: runs that have nobody to reach look now, and need not wait for their next minute."""
    await hasten_timers(tx, STEP_TIMER, await store.list_held(tx.connection, limit=_HELD_AT_ONCE))


async def _hear(tx: Transaction, events: Sequence[Event]) -> list[tuple[Event, Body]]:
    """The events with their bodies. What is told of work that nobody could take may overtake its ticket: it was kept,
    and comes in the place of the creation."""
    told = [(event, body) for event in events if (body := decode_body(event)) is not None]
    opened = [UUID(event.subject_id) for event, body in told if isinstance(body, TicketCreated)]
    early = await list_early(tx.connection, opened, type_=WorkUnroutable.event_type) if opened else {}
    heard: list[tuple[Event, Body]] = []
    for event, body in told:
        if isinstance(body, TicketCreated):
            kept = early.pop(UUID(event.subject_id), ())
            heard += [(each, unroutable) for each in kept if (unroutable := decode_body(each)) is not None]
        else:
            heard.append((event, body))
    return heard


@dataclass(kw_only=True)
class _Batch:
    """Runs of some tickets while events are followed.

    Attributes:
        automatic: handoffs that runs asked for. Their end begins no run, or it would go on for ever.
    """

    tickets: dict[UUID, Ticket]
    active: Sequence[Version]
    runs: dict[UUID, Run]
    now: datetime
    automatic: AbstractSet[UUID]
    past: Past
    told: list[Moved] = field(default_factory=list[Moved])

    def follow(self, event: Event, body: Body) -> None:
        ticket = self.tickets.get(UUID(event.subject_id))
        if ticket is None:
            return
        match body:
            case SlaWarning():
                self._reach(event, ticket, body, body.percent)
            case SlaBreached() if body.cause != "policy_change":
                self._reach(event, ticket, body, BREACH_PERCENT)
            case SlaClockResumed() if self.past.is_late(body.clock_id):
                # Its breach is told once and its run has ended with the ticket: nothing else would escalate it again.
                self._reach(event, ticket, body, BREACH_PERCENT)
            case SlaMet():
                self._stop(event, self._of_clock(body.clock_id), "met")
            case SlaClockCancelled():
                self._stop(event, self._of_clock(body.clock_id), _ENDS.get(body.reason, "withdrawn"))
            case SlaBreachWithdrawn():
                self._stop(event, self._of_clock(body.clock_id), "withdrawn")
            case TicketStatusChanged() if body.new in FINISHED:
                self._stop(event, self._of_ticket(ticket), body.new)
            case WorkUnroutable() if body.kind == "own" and ticket.owner_id is None:
                self._begin(event, ticket, Trigger.UNROUTABLE)
            case HandoffDeclined() | HandoffExpired() if body.handoff_id not in self.automatic:
                self._begin(event, ticket, Trigger.HANDOFF)
            case AssignmentAssigned():
                self._hear_owner(event, ticket, body)
            case _:
                return

    def _reach(self, event: Event, ticket: Ticket, clock: ClockNews, percent: int) -> None:
        """A clock's percent: for the run that is about it, or for a new one."""
        runs = self._of_clock(clock.clock_id)
        for run in runs:
            self.runs[run.run_id] = mark(run, percent, at=event.time)
        if not runs:
            self._begin(event, ticket, Trigger.SLA, clock=clock, percent=percent)

    def _begin(
        self,
        event: Event,
        ticket: Ticket,
        trigger: Trigger,
        *,
        clock: ClockNews | None = None,
        percent: int = 0,
    ) -> None:
        if ticket.is_finished:
            return
        kind = clock.kind if clock else ""
        version = choose(self.active, trigger=trigger, facts=ticket.facts(), clock_kind=kind)
        if version is None or (clock and percent < version.starts_at_percent):
            return
        if clock and self.past.is_over(version.policy_id, clock.clock_id):
            return
        if any(run.trigger is trigger for run in self._of_ticket(ticket)) and clock is None:
            return
        run = begin(ticket, version, trigger, at=event.time, now=self.now, clock=clock, percent=percent)
        self.runs[run.run_id] = run
        self._tell(event, run, [tell_started(run)])

    def _stop(self, event: Event, runs: Sequence[Run], reason: str) -> None:
        for run in runs:
            stopped, told = stop(run, reason, at=self.now)
            self.runs[run.run_id] = stopped
            self._tell(event, stopped, told)

    def _hear_owner(self, event: Event, ticket: Ticket, body: AssignmentAssigned) -> None:
        """Somebody took the ticket: that may be what a run was for, or whom a held one waited for."""
        for run in self._of_ticket(ticket):
            if run.trigger is not Trigger.SLA or run.state is RunState.HELD:
                self.runs[run.run_id] = hear_owner(run, body.agent_id, since=event.time, at=self.now)

    def _of_clock(self, clock_id: UUID) -> list[Run]:
        return [run for run in self.runs.values() if run.clock_id == clock_id and run.is_live]

    def _of_ticket(self, ticket: Ticket) -> list[Run]:
        return [run for run in self.runs.values() if run.ticket_id == ticket.ticket_id and run.is_live]

    def _tell(self, event: Event, run: Run, told: Sequence[Body]) -> None:
        self.told.append(Moved(run=run, told=told, origin=caused_by(event, service="escalation")))


def begin(
    ticket: Ticket,
    version: Version,
    trigger: Trigger,
    *,
    at: datetime,
    now: datetime,
    clock: ClockNews | None = None,
    percent: int = 0,
    reason: str = "",
) -> Run:
    """A new run, due at once.

    Args:
        at: when its cause happened, from which its steps count.
    """
    return Run(
        run_id=new_id(),
        ticket_id=ticket.ticket_id,
        policy_id=version.policy_id,
        policy_version=version.version,
        trigger=trigger,
        started_at=at,
        round_started_at=at,
        due_at=now,
        clock_id=clock.clock_id if clock else None,
        clock_kind=clock.kind if clock else "",
        cycle=clock.cycle if clock else 0,
        reason=reason,
        owner_at_start=ticket.owner_id,
        marks={percent: at} if clock else {},
    )
