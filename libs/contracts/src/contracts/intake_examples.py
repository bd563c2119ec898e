"""One example of each event type of intake."""

from contracts import intake
from contracts.example_ids import AGENT, EARLIER_TICKET, ENDPOINT, MESSAGE, NEEDS, NOON, ORGANISATION, REQUESTER, TICKET
from contracts.registry import Body
from contracts.words import Change, Source

BODIES: tuple[Body, ...] = (
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
        skills_hint=NEEDS,
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
        ticket_id=TICKET, category="network", component="vpn", skills_required=NEEDS, tier_required=2, by="agent"
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
    intake.TicketResolved(
        ticket_id=TICKET,
        resolution_seq=1,
        resolution_code="fixed",
        owner_id=AGENT,
        skip_reason="given",
        reopen_until=NOON.replace(day=9),
    ),
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
    intake.RequesterCreated(requester_id=REQUESTER, organisation_id=ORGANISATION, language="en", agent_id=AGENT),
    intake.RequesterUpdated(requester_id=REQUESTER, fields=("language",), organisation_id=ORGANISATION, agent_id=AGENT),
    intake.WebhookEndpointDisabled(endpoint_id=ENDPOINT, failing_since=NOON.replace(day=1), reason="not_taken"),
)
