"""Following intake: what each event about a ticket does to its work. One batch, set-based, in order per ticket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from common.backbone.consumer import caused_by
from common.ids import new_id
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.intake import MessageAdded, TicketCreated, TicketStatusChanged
from routing.agents.domain import Agent
from routing.agents.usecases import lock_agents
from routing.queues.domain import Queue, choose_queue, weight_of
from routing.queues.usecases import list_queues
from routing.tickets.domain import Ticket
from routing.tickets.usecases import TicketChange, follow_tickets
from routing.work import moves, offering, store
from routing.work.item import DONE, Work, new_item
from routing.work.keeping import keep, load_changes, tell
from routing.work.moves import Change, Taking


async def follow_intake(tx: Transaction, events: Sequence[Event]) -> None:
    """Apply a batch of intake's events to work items, assignments and offers.

    Nothing is refused: what intake says has happened. A repeated move changes nothing.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    changes = await follow_tickets(tx, events)
    if not changes:
        return
    batch = _Batch(tx=tx, queues=await list_queues(tx.connection))
    batch.before = await store.lock_works(tx.connection, sorted({change.after.ticket_id for change in changes}))
    batch.works = dict(batch.before)
    batch.agents = await _lock_repliers(tx, changes, batch.before)
    for change in changes:
        batch.follow(change)
    await keep(tx, batch.before, list(batch.works.values()))


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
        if change.before != ticket:
            work = self._describe(change, work)
        match change.body:
            case TicketStatusChanged(new=status):
                work = self._move(change, work, status)
            case MessageAdded() as message if is_reply(message):
                work = self._tell(change, moves.forget_hand_backs(work))
                work = self._reply(change, work, message, at=at)
            case _:
                pass
        self.works[ticket.ticket_id] = work

    def _open(self, change: TicketChange) -> None:
        ticket = change.after
        item = new_item(ticket, choose_queue(self.queues, ticket.facts()), at=change.event.time)
        work = Work(item=item) if item.state == DONE else self._tell(change, moves.enqueue(item, "new"))
        self.works[ticket.ticket_id] = work

    def _describe(self, change: TicketChange, work: Work) -> Work:
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
        described = _describe(work, ticket, chosen)
        if work.offer is not None and described[0] != work:
            # Whom it is offered to may lack what it asks for now.
            work = self._tell(change, offering.rescind(work, at=change.event.time, reason="changed"))
            described = _describe(work, ticket, chosen)
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


def _describe(work: Work, ticket: Ticket, queue: Queue) -> Change:
    return moves.describe(
        work,
        desk=(queue.queue_id, queue.pool),
        needs=ticket.skills,
        tier_required=ticket.tier_required,
        language=ticket.language,
    )
