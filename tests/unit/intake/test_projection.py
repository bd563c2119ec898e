"""What routing's events make of a ticket, and a survey's consent."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.intake import TicketStatusChanged
from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentUnassigned,
    AssignmentWeightChanged,
    WorkDequeued,
    WorkEnqueued,
    WorkUnroutable,
)
from intake.tickets.domain import RoutingState, Status, Ticket
from intake.tickets.projection import project
from tests.support.tickets import TICKET, standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TID = TICKET.id
QUEUE, ADA, BOB = UUID(int=20), UUID(int=21), UUID(int=22)
FIRST, SECOND = UUID(int=31), UUID(int=32)

ENQUEUED = WorkEnqueued(
    ticket_id=TID,
    queue_id=QUEUE,
    weight=2,
    skills=(),
    tier_required=1,
    cause="new",
    enqueued_at=NOW,
    deadline=NOW,
)
OFFERED = AssignmentOffered(ticket_id=TID, offer_id=FIRST, agent_id=ADA, expires_at=NOW, attempt=1)


def assigned(assignment: UUID, agent: UUID, *, kind: str = "own", replaces: UUID | None = None) -> AssignmentAssigned:
    """Ownership begins."""
    method = "auto" if kind == "own" else "handoff"
    return AssignmentAssigned(
        ticket_id=TID,
        assignment_id=assignment,
        agent_id=agent,
        agent_tier=2,
        method=method,
        weight=2,
        kind=kind,
        replaces=replaces,
    )


def unassigned(assignment: UUID, agent: UUID, *, kind: str = "own") -> AssignmentUnassigned:
    """Ownership ends."""
    return AssignmentUnassigned(ticket_id=TID, assignment_id=assignment, agent_id=agent, reason="manual", kind=kind)


def told(ticket: Ticket, bodies: Sequence[Body]) -> Ticket:
    """The ticket after these events, with ids from 100 on."""
    for number, body in enumerate(bodies, start=100):
        ticket = project(ticket, body, event_id=UUID(int=number), now=NOW, reopen_window=timedelta(days=7)).ticket
    return ticket


def test_the_road_to_an_owner() -> None:
    """Queued, offered, owned: each value names its event."""
    shown = told(TICKET, [ENQUEUED, OFFERED, assigned(FIRST, ADA)])
    assert (shown.status, shown.routing_state) == (Status.OPEN, RoutingState.ASSIGNED)
    assert (shown.owner_id, shown.owner_tier, shown.assignment_id) == (ADA, 2, FIRST)
    assert shown.first_owner_id == ADA
    assert (shown.queue_id, shown.queue_event_id) == (QUEUE, UUID(int=100))
    assert shown.owner_event_id == shown.routing_event_id == UUID(int=102)


def test_only_the_first_owner_opens() -> None:
    """A later one is shown and moves nothing, whatever the status."""
    for status in Status:
        ticket = replace(standing(status), first_owner_id=BOB, owner_id=None)
        decision = project(ticket, assigned(FIRST, ADA), event_id=UUID(int=1), now=NOW, reopen_window=timedelta(days=7))
        assert decision.ticket.owner_id == ADA
        assert decision.ticket.first_owner_id == BOB
        moves = [event for event in decision.events if isinstance(event, TicketStatusChanged)]
        assert bool(moves) == (status is Status.NEW)
        assert decision.ticket.status is (Status.OPEN if status is Status.NEW else status)


def test_only_the_shown_assignment_is_cleared() -> None:
    """A handover tells the new one first; the end of the old one then changes nothing."""
    owned = told(TICKET, [assigned(FIRST, ADA)])
    handed = told(owned, [assigned(SECOND, BOB, kind="handoff", replaces=FIRST), unassigned(FIRST, ADA)])
    assert (handed.owner_id, handed.routing_state) == (BOB, RoutingState.ASSIGNED)
    free = told(handed, [unassigned(SECOND, BOB)])
    assert (free.owner_id, free.assignment_id, free.owner_tier) == (None, None, None)
    assert free.routing_state is RoutingState.NONE


def test_a_hand_back_stays_queued_in_either_order() -> None:
    """Whichever of its two events routing writes first."""
    owned = told(TICKET, [ENQUEUED, assigned(FIRST, ADA)])
    for bodies in ([ENQUEUED, unassigned(FIRST, ADA)], [unassigned(FIRST, ADA), ENQUEUED]):
        shown = told(owned, bodies)
        assert (shown.owner_id, shown.routing_state) == (None, RoutingState.QUEUED)


def test_an_offer_that_ends_leaves_the_ticket_queued() -> None:
    """Declined or expired; after an assignment such a late word changes nothing."""
    declined = AssignmentDeclined(ticket_id=TID, offer_id=FIRST, agent_id=ADA, reason="busy")
    expired = AssignmentOfferExpired(ticket_id=TID, offer_id=FIRST, agent_id=ADA)
    for body in (declined, expired):
        assert told(TICKET, [ENQUEUED, OFFERED, body]).routing_state is RoutingState.QUEUED
        assert told(TICKET, [assigned(FIRST, ADA), body]).routing_state is RoutingState.ASSIGNED


def test_handoff_work_leaves_the_routing_state_alone() -> None:
    """All but the owner."""
    owned = told(TICKET, [ENQUEUED, assigned(FIRST, ADA)])
    beside = [
        replace_kind(ENQUEUED),
        replace_kind(OFFERED),
        WorkUnroutable(ticket_id=TID, waited_s=1, missing=("x",), kind="handoff"),
        WorkDequeued(ticket_id=TID, reason="resolved", kind="handoff"),
    ]
    assert told(owned, beside) == owned


def replace_kind(body: WorkEnqueued | AssignmentOffered) -> Body:
    """The same event for handoff work."""
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return type(body)(**values | {"kind": "handoff"})


def test_unroutable_and_dequeued() -> None:
    """Both show."""
    stuck = WorkUnroutable(ticket_id=TID, waited_s=1, missing=("net",))
    assert told(TICKET, [ENQUEUED, stuck]).routing_state is RoutingState.UNROUTABLE
    gone = told(TICKET, [ENQUEUED, WorkDequeued(ticket_id=TID, reason="cancelled")])
    assert (gone.routing_state, gone.queue_id) == (RoutingState.NONE, QUEUE)


BODIES = st.sampled_from(
    [
        ENQUEUED,
        OFFERED,
        assigned(FIRST, ADA),
        assigned(SECOND, BOB),
        assigned(SECOND, BOB, kind="handoff"),
        unassigned(FIRST, ADA),
        unassigned(SECOND, BOB),
        WorkUnroutable(ticket_id=TID, waited_s=1, missing=()),
        WorkDequeued(ticket_id=TID, reason="resolved"),
        AssignmentWeightChanged(ticket_id=TID, assignment_id=FIRST, agent_id=ADA, old_quarters=4, new_quarters=1),
    ]
)


@given(bodies=st.lists(BODIES, max_size=30), status=st.sampled_from(list(Status)))
def test_a_fold_refuses_nothing(bodies: list[Body], status: Status) -> None:
    """Any events in any order: no refusal, the version stays, an owner has an assignment, only `new` moves."""
    before = standing(status)
    after = told(before, bodies)
    assert after.version == before.version
    assert (after.owner_id is None) == (after.assignment_id is None) or after.owner_id == before.owner_id
    assert after.status is status or (status, after.status) == (Status.NEW, Status.OPEN)
