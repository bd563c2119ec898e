"""Bodies of the events that intake publishes."""

from typing import Annotated
from uuid import UUID

from contracts.registry import Body, event, known
from contracts.words import Change, HoldReason, Moment, Priority, SkillNeed, Source, Status


@event("ticket.created", producer="intake", subject="ticket")
class TicketCreated(Body, frozen=True):
    """A ticket was accepted and is durable."""

    ticket_id: UUID
    number: int
    source: Source
    requester_id: UUID
    impact: int
    urgency: int
    priority: Priority
    status: Status = "new"
    organisation_id: UUID | None = None
    category: str = ""
    component: str = ""
    product: str = ""
    language: str = ""
    tags: tuple[str, ...] = ()
    skills_hint: tuple[SkillNeed, ...] = ()
    tier_required: int = 1
    proactive: bool = False
    follow_up_of: UUID | None = None


@event("ticket.updated", producer="intake", subject="ticket")
class TicketUpdated(Body, frozen=True):
    """Plain fields changed; `changed` names each. The subject line's text is never shown."""

    ticket_id: UUID
    changed: tuple[Change, ...]
    language: str = ""
    product: str = ""
    tags: tuple[str, ...] = ()
    organisation_id: UUID | None = None


@event("ticket.classified", producer="intake", subject="ticket")
class TicketClassified(Body, frozen=True):
    """Triage was set or changed; the whole classification is repeated."""

    ticket_id: UUID
    category: str
    component: str
    skills_required: tuple[SkillNeed, ...]
    tier_required: int
    by: Annotated[str, known("rule", "agent", "model", "requester", "system")]


@event("ticket.priority_changed", producer="intake", subject="ticket")
class TicketPriorityChanged(Body, frozen=True):
    """The priority moved: by the matrix, by an override with a reason, or raised by an escalation."""

    ticket_id: UUID
    old: Priority
    new: Priority
    reason: Annotated[str, known("matrix", "override", "escalation")]


@event("ticket.status_changed", producer="intake", subject="ticket")
class TicketStatusChanged(Body, frozen=True):
    """The customer-facing status moved. Sent for every move, also those with an event of their own."""

    ticket_id: UUID
    old: Status
    new: Status
    reason_code: str = ""
    hold_reason: HoldReason | None = None
    resume_at: Moment | None = None


@event("ticket.resolved", producer="intake", subject="ticket")
class TicketResolved(Body, frozen=True):
    """A solution was delivered; confirmation or silence is pending.

    `skip_reason` says whether somebody gave a reason why no solution was evaluated, whose text stays in intake; an
    earlier release told the text. Until `reopen_until` the ticket may be opened again, unless it is closed before; an
    earlier release did not tell it.
    """

    ticket_id: UUID
    resolution_seq: int
    resolution_code: str
    owner_id: UUID | None = None
    skip_reason: Annotated[str, known("", "given")] = ""
    reopen_until: Moment | None = None


@event("ticket.reopened", producer="intake", subject="ticket")
class TicketReopened(Body, frozen=True):
    """A resolved ticket is open again."""

    ticket_id: UUID
    reopen_count: int
    trigger: Annotated[str, known("message", "requester", "agent", "survey")]
    since_resolved_s: int


@event("ticket.closed", producer="intake", subject="ticket")
class TicketClosed(Body, frozen=True):
    """The ticket is final."""

    ticket_id: UUID
    closure: Annotated[str, known("auto", "confirmed")]


@event("ticket.cancelled", producer="intake", subject="ticket")
class TicketCancelled(Body, frozen=True):
    """The ticket ended without a resolution."""

    ticket_id: UUID
    reason: Annotated[str, known("spam", "withdrawn", "duplicate", "test")]


@event("ticket.restored", producer="intake", subject="ticket")
class TicketRestored(Body, frozen=True):
    """A cancelled ticket is open again."""

    ticket_id: UUID
    by: str


@event("message.added", producer="intake", subject="ticket")
class MessageAdded(Body, frozen=True):
    """A message was committed; its text stays in intake."""

    ticket_id: UUID
    message_id: UUID
    direction: Annotated[str, known("inbound", "outbound", "internal")]
    author_type: Annotated[str, known("requester", "agent", "automation", "system")]
    channel: str
    counts_as_response: bool
    awaits_customer: bool
    ack_only: bool
    author_id: UUID | None = None


@event("requester.created", producer="intake", subject="requester")
class RequesterCreated(Body, frozen=True):
    """A person became known. `timezone` is an IANA name, empty where nobody said.

    `agent_id` is the agent that the person is, where a colleague asks.
    """

    requester_id: UUID
    organisation_id: UUID | None = None
    language: str = ""
    timezone: str = ""
    agent_id: UUID | None = None


@event("requester.updated", producer="intake", subject="requester")
class RequesterUpdated(Body, frozen=True):
    """What is known of a person changed: names the fields, and shows those that are no personal text as they now are.

    `language`, `timezone` and `agent_id` are empty where they are not known, or were not told by an earlier release.
    """

    requester_id: UUID
    fields: tuple[str, ...]
    organisation_id: UUID | None = None
    language: str = ""
    timezone: str = ""
    agent_id: UUID | None = None


@event("webhook.endpoint_disabled", producer="intake", subject="endpoint")
class WebhookEndpointDisabled(Body, frozen=True):
    """Nothing more is posted to a webhook's endpoint until it is enabled again, because its receiver takes nothing.

    `failing_since` is the first failure after the last success. `reason`: an event was `not_taken` in all its attempts,
    or the receiver said that it is `gone` (410).
    """

    endpoint_id: UUID
    failing_since: Moment
    reason: Annotated[str, known("not_taken", "gone")]
