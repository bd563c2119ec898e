"""One example of each event type: shown in the documents, and held to the closed schemas by tests."""

from datetime import UTC, datetime
from uuid import UUID

from contracts import intake, routing
from contracts.envelope import Header, encode_headers, kafka_headers, subject_of
from contracts.registry import EVENT_TYPES, Body, encode_body
from contracts.words import Change, SkillNeed, Source

NOON = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
EVENT = UUID("01972f00-0000-7000-8000-0000000000e1")
CAUSE = UUID("01972f00-0000-7000-8000-0000000000e0")
TICKET = UUID("01972f00-0000-7000-8000-000000000001")
EARLIER_TICKET = UUID("01972f00-0000-7000-8000-000000000002")
MESSAGE = UUID("01972f00-0000-7000-8000-000000000003")
REQUESTER = UUID("01972f00-0000-7000-8000-000000000004")
ORGANISATION = UUID("01972f00-0000-7000-8000-000000000005")
AGENT = UUID("01972f00-0000-7000-8000-000000000006")
QUEUE = UUID("01972f00-0000-7000-8000-000000000007")
OFFER = UUID("01972f00-0000-7000-8000-000000000008")
ASSIGNMENT = UUID("01972f00-0000-7000-8000-000000000009")
EARLIER_ASSIGNMENT = UUID("01972f00-0000-7000-8000-00000000000a")
DECISION = UUID("01972f00-0000-7000-8000-00000000000b")

_NEEDS = (SkillNeed(skill="networking", level=3, hard_level=2), SkillNeed(skill="linux"))

_BODIES: tuple[Body, ...] = (
    intake.TicketCreated(
        ticket_id=TICKET,
        number=1042,
        source=Source(channel="api", system="monitoring", external_ref="INC-77"),
        requester_id=REQUESTER,
        impact=2,
        urgency=3,
        priority="high",
        organisation_id=ORGANISATION,
        category="network",
        component="vpn",
        product="remote-access",
        language="en",
        tags=("vip",),
        skills_hint=_NEEDS,
        tier_required=2,
        follow_up_of=EARLIER_TICKET,
    ),
    intake.TicketUpdated(
        ticket_id=TICKET,
        changed=(Change(field="language", old="", new="de"), Change(field="tags", old=(), new=("vip",))),
        language="de",
        product="remote-access",
        tags=("vip",),
        organisation_id=ORGANISATION,
    ),
    intake.TicketClassified(
        ticket_id=TICKET, category="network", component="vpn", skills_required=_NEEDS, tier_required=2, by="agent"
    ),
    intake.TicketPriorityChanged(ticket_id=TICKET, old="high", new="urgent", reason="override"),
    intake.TicketStatusChanged(
        ticket_id=TICKET,
        old="open",
        new="on_hold",
        reason_code="third_party",
        hold_reason="third_party",
        resume_at=NOON.replace(day=3),
    ),
    intake.TicketResolved(ticket_id=TICKET, resolution_seq=1, resolution_code="fixed", owner_id=AGENT),
    intake.TicketReopened(ticket_id=TICKET, reopen_count=1, trigger="message", since_resolved_s=3600),
    intake.TicketClosed(ticket_id=TICKET, closure="confirmed"),
    intake.TicketCancelled(ticket_id=TICKET, reason="withdrawn"),
    intake.TicketRestored(ticket_id=TICKET, by=f"agent:{AGENT}"),
    intake.MessageAdded(
        ticket_id=TICKET,
        message_id=MESSAGE,
        direction="outbound",
        author_type="agent",
        channel="email",
        counts_as_response=True,
        awaits_customer=True,
        ack_only=False,
        author_id=AGENT,
    ),
    intake.RequesterCreated(requester_id=REQUESTER, organisation_id=ORGANISATION, language="en"),
    intake.RequesterUpdated(requester_id=REQUESTER, fields=("language",), organisation_id=ORGANISATION),
    routing.WorkEnqueued(
        ticket_id=TICKET,
        queue_id=QUEUE,
        weight=2,
        skills=_NEEDS,
        tier_required=2,
        cause="new",
        enqueued_at=NOON,
        deadline=NOON.replace(hour=16),
    ),
    routing.WorkRequirementsRelaxed(ticket_id=TICKET, ring=2, lowered=_NEEDS[:1]),
    routing.WorkUnroutable(ticket_id=TICKET, waited_s=90, missing=("skill:networking", "tier:3")),
    routing.WorkDequeued(ticket_id=TICKET, reason="resolved"),
    routing.AssignmentOffered(
        ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, expires_at=NOON.replace(minute=1), attempt=1
    ),
    routing.AssignmentAccepted(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT),
    routing.AssignmentDeclined(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, reason="busy"),
    routing.AssignmentOfferExpired(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT),
    routing.AssignmentOfferRescinded(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, reason="cancelled"),
    routing.AssignmentAssigned(
        ticket_id=TICKET,
        assignment_id=ASSIGNMENT,
        agent_id=AGENT,
        agent_tier=2,
        method="auto",
        weight=2,
        decision_id=DECISION,
        replaces=EARLIER_ASSIGNMENT,
    ),
    routing.AssignmentUnassigned(ticket_id=TICKET, assignment_id=ASSIGNMENT, agent_id=AGENT, reason="resolved"),
    routing.AssignmentWeightChanged(
        ticket_id=TICKET, assignment_id=ASSIGNMENT, agent_id=AGENT, old_quarters=8, new_quarters=2
    ),
    routing.AgentRegistered(agent_id=AGENT, tier=2, max_weight=10, teams=("network",), languages=("en", "de")),
    routing.AgentUpdated(agent_id=AGENT, tier=3, max_weight=8, teams=("network",), languages=("en",)),
    routing.AgentDeactivated(agent_id=AGENT),
    routing.AgentPresenceChanged(agent_id=AGENT, old="offline", new="online", set_by="agent"),
    routing.AgentSkillChanged(agent_id=AGENT, skill="networking", old=2, new=3, approved_by=f"agent:{AGENT}"),
    routing.AgentTierChanged(agent_id=AGENT, old=1, new=2),
)

EXAMPLES: dict[str, Body] = {body.event_type: body for body in _BODIES}
"""By the name on the wire; every registered type has one."""


def example_record(event_type: str) -> tuple[list[Header], bytes]:
    """The headers and the value of the Kafka record that carries this type's example.

    Raises:
        KeyError: there is no event of that type.
    """
    body, registered = EXAMPLES[event_type], EVENT_TYPES[event_type]
    # The subject's id is in the body under its kind: `ticket_id` of a ticket's event.
    subject_id: UUID = getattr(body, f"{registered.subject_kind}_id")
    packed = encode_headers(
        event_id=EVENT,
        source=f"/frontline/main/{registered.producer}",
        event_type=event_type,
        subject=subject_of(registered.subject_kind, subject_id),
        time=NOON,
        correlation_id="4bf92f3577b34da6",
        causation_id=str(CAUSE),
        actor="client:monitoring",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return kafka_headers(packed, seq=3), encode_body(body)
