"""The fold of what is heard of a handoff: under any order of topics it has one outcome, and tells it once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from contracts.escalation import HandoffAccepted, HandoffDeclined, HandoffExpired, HandoffWithdrawn
from contracts.intake import TicketResolved, TicketStatusChanged
from contracts.registry import Body
from contracts.routing import (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferRescinded,
    AssignmentUnassigned,
    WorkDequeued,
    WorkUnroutable,
)
from escalation.handoffs.domain import Handoff, Reason, State
from escalation.handoffs.hearing import concerned, hear
from escalation.handoffs.lifecycle import recall

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TICKET, HANDOFF, SENDER, SENIOR, OTHER, OFFER = (UUID(int=number) for number in range(1, 7))
ENDS = (HandoffAccepted, HandoffDeclined, HandoffExpired, HandoffWithdrawn)


def requested(**given: Any) -> Handoff:
    values: dict[str, Any] = {
        "handoff_id": HANDOFF,
        "ticket_id": TICKET,
        "requester_id": UUID(int=9),
        "state": State.REQUESTED,
        "from_agent_id": SENDER,
        "from_tier": 1,
        "reason_code": Reason.NEEDS_EXPERTISE,
        "tier_required": 2,
        "created_at": NOON,
        "created_by": f"agent:{SENDER}",
        "updated_at": NOON,
        "requested_at": NOON,
        "deadline": NOON + timedelta(minutes=30),
        "expires_at": NOON + timedelta(hours=2),
    }
    return Handoff(**{**values, **given})


def assigned(agent: UUID, *, kind: str = "own", handoff_id: UUID | None = None) -> AssignmentAssigned:
    return AssignmentAssigned(
        ticket_id=TICKET,
        assignment_id=UUID(int=90 + agent.int),
        agent_id=agent,
        agent_tier=3,
        method="handoff" if handoff_id else "auto",
        weight=2,
        kind=kind,
        handoff_id=handoff_id,
    )


def about(body: type[Any], **given: Any) -> Any:
    return body(ticket_id=TICKET, kind="handoff", handoff_id=HANDOFF, **given)


BY_THE_WAY: tuple[Body, ...] = (
    about(AssignmentOffered, offer_id=OFFER, agent_id=SENIOR, expires_at=NOON, attempt=1),
    about(AssignmentOfferRescinded, offer_id=OFFER, agent_id=SENIOR, reason="x"),
    about(AssignmentDeclined, offer_id=OFFER, agent_id=OTHER, reason="busy"),
    about(WorkUnroutable, waited_s=0, missing=()),
)
VERDICTS: tuple[Body, ...] = (
    assigned(SENIOR, kind="handoff", handoff_id=HANDOFF),
    *(about(WorkDequeued, reason=reason) for reason in ("resolved", "withdrawn", "declined", "expired", "merged")),
)
OWN: tuple[Body, ...] = (
    assigned(SENDER),
    assigned(OTHER),
    AssignmentUnassigned(ticket_id=TICKET, assignment_id=UUID(int=8), agent_id=SENDER, reason="agent_left"),
)
FROM_INTAKE: tuple[Body, ...] = (
    TicketStatusChanged(ticket_id=TICKET, old="open", new="resolved"),
    TicketStatusChanged(ticket_id=TICKET, old="open", new="pending_customer"),
    TicketResolved(ticket_id=TICKET, resolution_seq=1, resolution_code="fixed", owner_id=SENIOR),
    TicketResolved(ticket_id=TICKET, resolution_seq=1, resolution_code="fixed", owner_id=SENDER),
)


def fold(handoff: Handoff, bodies: list[Body]) -> tuple[Handoff, list[Body]]:
    told: list[Body] = []
    for body in bodies:
        for one in concerned([handoff], body):
            decision = hear(one, body, at=NOON)
            handoff = decision.handoff
            told += decision.events
    return handoff, told


@given(
    before=st.lists(st.sampled_from(BY_THE_WAY + OWN), max_size=6),
    verdict=st.sampled_from(VERDICTS),
    intake=st.lists(st.sampled_from(FROM_INTAKE), max_size=3),
    recalled=st.sampled_from(["", "sender", "expired"]),
    data=st.data(),
)
def test_whatever_the_order_there_is_one_outcome_and_it_is_routings(
    before: list[Body], verdict: Body, intake: list[Body], recalled: str, data: st.DataObject
) -> None:
    """Routing's events keep their order; intake's come between them anywhere; repeats change nothing."""
    merged: list[Body] = [*before, verdict]
    for body in intake:
        merged.insert(data.draw(st.integers(0, len(merged))), body)
    handoff = recall(requested(), recalled, at=NOON).handoff if recalled else requested()
    ended, told = fold(handoff, merged)
    assert sum(isinstance(body, ENDS) for body in told) == 1
    took = isinstance(verdict, AssignmentAssigned)
    assert isinstance(next(body for body in told if isinstance(body, ENDS)), HandoffAccepted) is took
    assert (ended.state in (State.ACCEPTED, State.COMPLETED)) is took
    assert ended.offer_id is None
    assert fold(ended, [*before, verdict]) == (ended, [])


@given(
    recalled=st.sampled_from(["", "sender", "declined", "expired", "resolved", "reassigned"]),
    verdict=st.sampled_from(["resolved", "merged", "withdrawn", "declined", "expired"]),
)
def test_what_we_recalled_it_for_is_the_outcome(recalled: str, verdict: str) -> None:
    handoff = recall(requested(), recalled, at=NOON).handoff if recalled else requested()
    ended, told = fold(handoff, [about(WorkDequeued, reason=verdict)])
    why = recalled or verdict
    wanted = {"declined": State.DECLINED, "expired": State.EXPIRED, "withdrawn": State.DECLINED}
    assert ended.state is wanted.get(why, State.WITHDRAWN)
    [body] = told
    if isinstance(body, HandoffWithdrawn):
        assert body.reason == why
    if isinstance(body, HandoffDeclined):
        assert body.reason_code == "nobody_left"


def test_a_resolution_completes_only_the_last_accepted_one() -> None:
    first = requested(state=State.ACCEPTED, receiver_id=SENIOR, accepted_at=NOON)
    second = requested(
        handoff_id=UUID(int=70), state=State.ACCEPTED, receiver_id=OTHER, accepted_at=NOON + timedelta(hours=1)
    )
    resolved = TicketResolved(ticket_id=TICKET, resolution_seq=1, resolution_code="fixed", owner_id=SENIOR)
    assert concerned([first, second], resolved) == [second]
    assert hear(second, resolved, at=NOON).handoff == second


def test_a_newer_offer_outlives_the_end_of_an_older_one() -> None:
    newer = requested(offer_id=UUID(int=60), offered_to=OTHER)
    rescinded = about(AssignmentOfferRescinded, offer_id=OFFER, agent_id=SENIOR, reason="x")
    assert hear(newer, rescinded, at=NOON).handoff.offer_id == UUID(int=60)
