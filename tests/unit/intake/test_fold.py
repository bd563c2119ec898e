"""The tests' own fold over the topics says of a ticket what intake shows, whatever the order between the topics."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from common.ids import new_id
from contracts.envelope import Event
from contracts.registry import Body, encode_body
from contracts.routing import AssignmentAssigned, AssignmentOffered, AssignmentUnassigned, WorkDequeued, WorkEnqueued
from intake.tickets.answers import show
from intake.tickets.domain import Ticket
from intake.tickets.opening import told_of_ticket
from intake.tickets.projection import project
from tests.support.escalations import ADA, BOB, CLOCKS, DUE, H1, H2, NOW, Clock, ends, level, requested
from tests.support.fold import as_shown, fold
from tests.support.tickets import TICKET

TID = TICKET.id
QUEUE = UUID(int=20)
FIRST, SECOND = UUID(int=31), UUID(int=32)


def lives(clock: Clock) -> list[list[Body]]:
    """What may be told of one cycle of a clock."""
    return [
        [clock.started(), clock.warned(50), clock.paused(), clock.resumed(), clock.met()],
        [
            clock.started(),
            clock.met(),
            clock.met_withdrawn(),
            clock.resumed(),
            clock.breached(),
            clock.cancelled("ended"),
        ],
        [clock.started(), clock.breached(), clock.paused(), clock.breach_withdrawn(), clock.met()],
        [clock.started(None), clock.resumed(), clock.moved("policy"), clock.cancelled("resolved")],
        [clock.started(), clock.warned(75), clock.cancelled("refolded")],
    ]


ESCALATION: list[list[Body]] = [[level(TID, 0, 1, 2)], [level(TID, 1, 2, 3)], [requested(TID, H1)]]
ESCALATION += [[requested(TID, H2, to=BOB)], *([body] for body in ends(TID, H1).values())]
ESCALATION += [life for kind, cycle in CLOCKS for life in lives(Clock(TID, kind, cycle))]


def queued(**more: Any) -> WorkEnqueued:
    """The ticket waits."""
    about: dict[str, Any] = {"cause": "new", "enqueued_at": NOW, "deadline": DUE, **more}
    return WorkEnqueued(ticket_id=TID, queue_id=QUEUE, weight=2, skills=(), tier_required=1, **about)


def offered(**more: Any) -> AssignmentOffered:
    """Somebody is asked."""
    return AssignmentOffered(ticket_id=TID, offer_id=new_id(), agent_id=BOB, expires_at=DUE, attempt=1, **more)


def assigned(assignment: UUID, agent: UUID, **more: Any) -> AssignmentAssigned:
    """Somebody owns it."""
    about: dict[str, Any] = {"method": "auto", **more}
    return AssignmentAssigned(ticket_id=TID, assignment_id=assignment, agent_id=agent, agent_tier=2, weight=2, **about)


def unassigned(assignment: UUID, agent: UUID, reason: str) -> AssignmentUnassigned:
    """An ownership ended."""
    return AssignmentUnassigned(ticket_id=TID, assignment_id=assignment, agent_id=agent, reason=reason)


BESIDE = {"kind": "handoff", "handoff_id": H1}
ROUTING = [
    queued(),
    offered(),
    assigned(FIRST, ADA),
    queued(cause="handoff", **BESIDE),
    offered(**BESIDE),
    assigned(SECOND, BOB, method="handoff", replaces=FIRST, **BESIDE),
    unassigned(FIRST, ADA, "handoff"),
    queued(cause="requeued"),
    unassigned(SECOND, BOB, "requeued"),
    assigned(FIRST, ADA),
    unassigned(FIRST, ADA, "resolved"),
    WorkDequeued(ticket_id=TID, reason="resolved"),
]


def events(producer: str, bodies: Sequence[Body]) -> list[Event]:
    """What a topic holds of the ticket."""
    return [
        Event(
            id=new_id(),
            source=f"/frontline/test/{producer}",
            type=body.event_type,
            subject=TICKET.event_subject,
            seq=seq,
            time=NOW,
            data=encode_body(body),
        )
        for seq, body in enumerate(bodies, start=1)
    ]


@given(
    chosen=st.lists(st.sampled_from(ESCALATION), max_size=10),
    reached=st.integers(0, len(ROUTING)),
    order=st.randoms(use_true_random=False),
)
def test_both_folds_agree(chosen: list[list[Body]], reached: int, order: Any) -> None:
    """Parts of escalation's story in any order, routing's as far as it came, and any order between the two."""
    escalation = [body for part in chosen for body in part]
    left = [list(escalation), ROUTING[:reached]]
    ticket: Ticket = TICKET
    moved: list[Body] = []
    while any(left):
        body = order.choice([bodies for bodies in left if bodies]).pop(0)
        decision = project(ticket, body, event_id=new_id(), now=NOW, reopen_window=timedelta(days=7))
        ticket = decision.ticket
        moved += decision.events
    topics = [
        {TICKET.event_subject: events("intake", [*told_of_ticket(TICKET, None), *moved])},
        {TICKET.event_subject: events("routing", ROUTING[:reached])},
        {TICKET.event_subject: events("escalation", escalation)},
    ]
    [state] = fold(*topics).values()
    assert state.shown() == as_shown(show(ticket).model_dump(mode="json"))
