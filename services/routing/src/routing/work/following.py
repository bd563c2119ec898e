"""Following intake and escalation: what each event about a ticket does to its work and to its handoff.

One batch, set-based, in order per ticket. The two services speak by different topics, so an event of one may be heard
long after what it did not know of the other.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from common.backbone.consumer import caused_by
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.escalation import (
    EscalationLevelChanged,
    HandoffDeclined,
    HandoffExpired,
    HandoffRecalled,
    HandoffRequested,
    HandoffWithdrawn,
)
from contracts.intake import MessageAdded, TicketCreated, TicketStatusChanged
from contracts.registry import decode_body
from routing.agents.domain import Agent
from routing.agents.usecases import lock_agents
from routing.queues.domain import Queue, choose_queue, weight_of
from routing.queues.usecases import list_queues
from routing.tickets.domain import Ticket
from routing.tickets.usecases import TicketChange, follow_tickets, raise_floors
from routing.work import handoffs, moves, offering, store
from routing.work.item import DONE, HANDOFF, Work, new_item
from routing.work.keeping import keep, load_changes, tell
from routing.work.moves import Change, Taking


async def follow_events(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply a batch of events of intake and escalation to work items, assignments and offers.

    Nothing is refused: what they say has happened. A repeated move changes nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    floors = await raise_floors(tx, events)
    ids = sorted({UUID(event.subject_id) for event in events})
    before = await store.lock_works(tx.connection, ids)
    before |= await store.lock_handoffs_of(tx.connection, sorted(before))
    changes = await follow_tickets(tx, events, floors=floors)
    _refuse_strangers(tx, events, known={change.event.id for change in changes})
    if not changes:
        return
    batch = _Batch(tx=tx, queues=await list_queues(tx.connection), before=before, works=dict(before))
    batch.running = {work.item.ticket_id: each for each, work in before.items() if work.item.kind == HANDOFF}
    batch.agents = await _lock_repliers(tx, changes, before)
    for change in changes:
        batch.follow(change)
    await keep(tx, before, list(batch.works.values()))


def _refuse_strangers(tx: Transaction, events: Sequence[Event], *, known: AbstractSet[UUID]) -> None:
    """Nobody can be found for a handoff of a ticket that is not known; escalation waits for an answer all the same."""
    for event in events:
        if event.type == HandoffRequested.event_type and event.id not in known:
            body = decode_body(event)
            assert isinstance(body, HandoffRequested)
            told = handoffs.tell_needless(body.ticket_id, body.handoff_id, "withdrawn")
            tx.add_events(event.subject, [told], origin=caused_by(event, service="routing"))


async def _lock_repliers(
    tx: Transaction, changes: Sequence[TicketChange], works: Mapping[UUID, Work]
) -> dict[UUID, Agent]:
    """Agents who replied, if any, locked together with all whose load may change: one order of locks."""
    repliers = {
        change.body.author_id
        for change in changes
        if isinstance(change.body, MessageAdded) and change.body.author_id and is_reply(change.body)
    }
    if not repliers:
        return {}
    holders = {work.holder for work in works.values() if work.holder}
    return await lock_agents(tx, sorted(repliers | holders))


def is_reply(message: MessageAdded) -> bool:
    """Whether an agent spoke to the customer."""
    return message.direction == "outbound" and message.author_type == "agent"


@dataclass(kw_only=True)
class _Batch:
    """The works of one batch while its events are applied."""

    tx: Transaction
    queues: Sequence[Queue]
    before: Mapping[UUID, Work] = field(default_factory=dict[UUID, Work])
    works: dict[UUID, Work] = field(default_factory=dict[UUID, Work])
    running: dict[UUID, UUID] = field(default_factory=dict[UUID, UUID])
    """The handoff of each ticket that has one which is not done."""
    agents: Mapping[UUID, Agent] = field(default_factory=dict[UUID, Agent])

    def follow(self, change: TicketChange) -> None:
        """Apply one event."""
        ticket = change.after
        at = change.event.time
        work = self.works.get(ticket.ticket_id)
        if work is None:
            if isinstance(change.body, TicketCreated):
                self._open(change)
            return
        escalated = isinstance(change.body, EscalationLevelChanged)
        if change.before != ticket or escalated:
            work = self._describe(change, work, cause="escalated" if escalated else "requeued")
        match change.body:
            case HandoffRequested() as request:
                self._begin_handoff(change, work, request)
            case HandoffDeclined(handoff_id=handoff_id) | HandoffRecalled(handoff_id=handoff_id, reason="declined"):
                self._end_handoff(change, handoff_id, "declined")
            case HandoffExpired(handoff_id=handoff_id) | HandoffRecalled(handoff_id=handoff_id, reason="expired"):
                self._end_handoff(change, handoff_id, "expired")
            case HandoffWithdrawn(handoff_id=handoff_id) | HandoffRecalled(handoff_id=handoff_id):
                self._end_handoff(change, handoff_id, "withdrawn")
            case TicketStatusChanged(new=status):
                work = self._move(change, work, status)
            case MessageAdded() as message if is_reply(message):
                work = self._tell(change, moves.forget_hand_backs(work))
                work = self._reply(change, work, message, at=at)
            case _:
                pass
        self.works[ticket.ticket_id] = work
        if ticket.ticket_id in self.running:
            self._lead_handoff(change, work)

    def _open(self, change: TicketChange) -> None:
        ticket = change.after
        item = new_item(ticket, choose_queue(self.queues, ticket.facts()), at=change.event.time)
        work = Work(item=item) if item.state == DONE else self._tell(change, moves.enqueue(item, "new"))
        self.works[ticket.ticket_id] = work

    def _begin_handoff(self, change: TicketChange, work: Work, request: HandoffRequested) -> None:
        """A handoff waits, in place of one that nobody withdrew; of a ticket that is over it is needless."""
        at = change.event.time
        if request.handoff_id in self.works:
            return
        if work.item.state == DONE:
            told = handoffs.tell_needless(request.ticket_id, request.handoff_id, change.after.status)
            self.tx.add_events(change.event.subject, [told], origin=caused_by(change.event, service="routing"))
            return
        if (known := self.running.get(request.ticket_id)) is not None:
            self._end_handoff(change, known, "withdrawn")
        self.works[request.handoff_id] = self._tell(change, handoffs.begin(request, work, at=at))
        self.running[request.ticket_id] = request.handoff_id

    def _end_handoff(self, change: TicketChange, handoff_id: UUID, reason: str) -> None:
        """Nothing happens where it was accepted before, or has ended."""
        if self.running.get(change.after.ticket_id) != handoff_id:
            return
        del self.running[change.after.ticket_id]
        ended = handoffs.end(self.works[handoff_id], at=change.event.time, reason=reason)
        self.works[handoff_id] = self._tell(change, ended)

    def _lead_handoff(self, change: TicketChange, work: Work) -> None:
        """Bring the running handoff in line with what became of its ticket."""
        handoff_id = self.running[change.after.ticket_id]
        if work.item.state == DONE:
            self._end_handoff(change, handoff_id, change.after.status)
            return
        for moved in handoffs.follow(self.works[handoff_id], work, at=change.event.time):
            self.works[handoff_id] = self._tell(change, moved)

    def _describe(self, change: TicketChange, work: Work, *, cause: str) -> Work:
        """Bring what the work asks for in line with the ticket's facts."""
        ticket = change.after
        chosen = choose_queue(self.queues, ticket.facts())
        if ticket.priority != work.item.priority:
            work = self._tell(
                change,
                moves.weigh(
                    work,
                    priority=ticket.priority,
                    weight=weight_of(ticket.priority),
                    tau_s=self._desk_of(work, chosen).target_s(ticket.priority),
                ),
            )
        described = _describe(work, ticket, chosen, cause=cause)
        if work.offer is not None and described[0] != work:
            # Whom it is offered to may lack what it asks for now.
            work = self._tell(change, offering.rescind(work, at=change.event.time, reason="changed"))
            described = _describe(work, ticket, chosen, cause=cause)
        return self._tell(change, described)

    def _desk_of(self, work: Work, chosen: Queue) -> Queue:
        """Where the ticket belongs: at the desk that its facts choose, unless a person chose another one."""
        if not work.item.pinned:
            return chosen
        return next((queue for queue in self.queues if queue.queue_id == work.item.queue_id), chosen)

    def _move(self, change: TicketChange, work: Work, status: str) -> Work:
        ticket = change.after
        at = change.event.time
        if ticket.is_finished:
            work = self._tell(change, offering.rescind(work, at=at, reason=status))
            return self._tell(change, moves.finish(work, at=at, reason=status))
        if work.item.state == DONE:
            work = self._tell(change, moves.reopen(work, at=at))
        if ticket.is_paused:
            work = self._tell(change, offering.rescind(work, at=at, reason=status))
            return self._tell(change, moves.pause(work, at=at))
        return self._tell(change, moves.resume(work, at=at))

    def _reply(self, change: TicketChange, work: Work, message: MessageAdded, *, at: datetime) -> Work:
        """An agent who answers the customer on a ticket without owner owns it, even beyond the capacity."""
        agent = self.agents.get(message.author_id) if message.author_id else None
        if agent is None or not agent.active or work.assignment is not None or work.item.state == DONE:
            return work
        work = self._tell(change, offering.rescind(work, at=at, reason="reply"))
        planned = load_changes(self.before, list(self.works.values())).get(agent.agent_id)
        loaded = replace(agent, load_quarters=agent.load_quarters + planned.quarters) if planned else agent
        taking = Taking(
            agent_id=agent.agent_id,
            agent_tier=agent.tier,
            assignment_id=new_id(),
            method="reply",
            at=at,
            override_reason="" if loaded.has_room(work.item.quarters) else "reply",
        )
        return self._tell(change, moves.assign(work, taking))

    def _tell(self, change: TicketChange, move: Change) -> Work:
        return tell(self.tx, move, origin=caused_by(change.event, service="routing"))


def _describe(work: Work, ticket: Ticket, queue: Queue, *, cause: str) -> Change:
    return moves.describe(
        work,
        desk=(queue.queue_id, queue.pool),
        needs=ticket.skills,
        tier_required=ticket.tier_asked,
        language=ticket.language,
        cause=cause,
    )
