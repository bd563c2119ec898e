"""What changes a ticket's fields and leaves its status alone. Final tickets take no edit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from common.errors import Conflict, InvalidInput
from contracts.intake import TicketClassified, TicketPriorityChanged, TicketUpdated
from contracts.words import Change, SkillNeed
from intake.tickets.domain import (
    FINAL,
    MAX_CUSTOM_FIELDS,
    MAX_TAGS,
    CustomValue,
    Decision,
    Priority,
    Ticket,
    priority_of,
)

_SHOWN = ("language", "product", "organisation_id")
_HIDDEN = ("subject", "custom")
"""Fields that may hold a customer's text: the event names them and shows no value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """What a caller wants changed; None leaves a field as it is.

    `priority` overrides the matrix and needs `priority_reason`; `use_matrix` takes an override back. Each field of
    `custom` is set, or removed where its value is None. `no_organisation` takes the organisation away.
    """

    subject: str | None = None
    impact: int | None = None
    urgency: int | None = None
    priority: Priority | None = None
    priority_reason: str = ""
    use_matrix: bool = False
    language: str | None = None
    product: str | None = None
    tags: tuple[str, ...] | None = None
    custom: Mapping[str, CustomValue] | None = None
    organisation_id: UUID | None = None
    no_organisation: bool = False


def edit(ticket: Ticket, wanted: Edit) -> Decision:
    """Change plain fields and the priority; fields that already are as wanted make no event.

    Raises:
        Conflict: ticket_final.
        InvalidInput: an override without its reason, or too many tags or custom fields.
    """
    refuse_final(ticket)
    edited = _with_priority(ticket, wanted)
    edited = replace(
        edited,
        subject=_or(wanted.subject, ticket.subject),
        language=_or(wanted.language, ticket.language),
        product=_or(wanted.product, ticket.product),
        tags=ticket.tags if wanted.tags is None else ordered_tags(wanted.tags),
        custom=merged_custom(ticket.custom, wanted.custom or {}),
        organisation_id=None if wanted.no_organisation else wanted.organisation_id or ticket.organisation_id,
    )
    return _told(ticket, edited)


def raise_priority(ticket: Ticket, *, to: Priority | None, reason: str) -> Decision:
    """Make the ticket more pressing: by one step, or up to `to`; where it is there or above, nothing changes.

    It depends on nothing that the caller has seen, so that an automation need not race people's edits.

    Raises:
        Conflict: ticket_final.
    """
    refuse_final(ticket)
    steps = list(Priority)
    place = steps.index(ticket.priority)
    wanted = min(place + 1, len(steps) - 1) if to is None else steps.index(to)
    if wanted <= place:
        return Decision(ticket=ticket)
    raised = replace(ticket, priority=steps[wanted], priority_reason=reason)
    return _told(ticket, raised, priority_by="escalation")


def add_tag(ticket: Ticket, tag: str) -> Decision:
    """The ticket carries the tag; repeating it changes nothing.

    Raises:
        Conflict: ticket_final.
        InvalidInput: it has 50 tags.
    """
    refuse_final(ticket)
    return _told(ticket, replace(ticket, tags=ordered_tags((*ticket.tags, tag))))


def remove_tag(ticket: Ticket, tag: str) -> Decision:
    """The ticket does not carry the tag; repeating it changes nothing.

    Raises:
        Conflict: ticket_final.
    """
    refuse_final(ticket)
    return _told(ticket, replace(ticket, tags=tuple(known for known in ticket.tags if known != tag)))


def classify(
    ticket: Ticket, *, category: str, component: str, skills: Sequence[SkillNeed], tier_required: int, by: str
) -> Decision:
    """Set the whole triage. `by` is "rule", "agent", "model", "requester" or "system".

    The tier is never lower than the one that an escalation asked for.

    Raises:
        Conflict: ticket_final.
    """
    refuse_final(ticket)
    tier_required = max(tier_required, ticket.escalation_tier)
    classified = replace(
        ticket, category=category, component=component, skills=tuple(skills), tier_required=tier_required
    )
    if classified == ticket:
        return Decision(ticket=ticket)
    told = TicketClassified(
        ticket_id=ticket.id,
        category=category,
        component=component,
        skills_required=classified.skills,
        tier_required=tier_required,
        by=by,
    )
    return Decision(ticket=classified, events=(told,))


def chosen_priority(*, impact: int, urgency: int, override: Priority | None, reason: str) -> Priority:
    """The override where one is given, else what the matrix says.

    Raises:
        InvalidInput: an override without a reason, or a reason without an override.
    """
    if override is not None and not reason:
        raise InvalidInput(
            "an override of the priority needs its reason", pointers=[("/priority_reason", "is required")]
        )
    if override is None and reason:
        raise InvalidInput("a reason without a priority", pointers=[("/priority", "is required with priority_reason")])
    return override or priority_of(impact=impact, urgency=urgency)


def ordered_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags once each, in alphabetical order.

    Raises:
        InvalidInput: more than 50.
    """
    distinct = tuple(sorted(set(tags)))
    if len(distinct) > MAX_TAGS:
        raise InvalidInput("too many tags", pointers=[("/tags", f"at most {MAX_TAGS}")])
    return distinct


def merged_custom(known: Mapping[str, CustomValue], given: Mapping[str, CustomValue]) -> Mapping[str, CustomValue]:
    """The known fields with the given ones set; a field given as None is gone.

    Raises:
        InvalidInput: more than 50 fields would stand.
    """
    merged = {name: value for name, value in {**known, **given}.items() if value is not None}
    if len(merged) > MAX_CUSTOM_FIELDS:
        raise InvalidInput("too many custom fields", pointers=[("/custom", f"at most {MAX_CUSTOM_FIELDS}")])
    return merged


def refuse_final(ticket: Ticket) -> None:
    """Refuse to touch a ticket that is over.

    Raises:
        Conflict: ticket_final.
    """
    if ticket.status in FINAL:
        raise Conflict(f"the ticket is {ticket.status} and changes no more", code="ticket_final")


def _with_priority(ticket: Ticket, wanted: Edit) -> Ticket:
    impact, urgency = wanted.impact or ticket.impact, wanted.urgency or ticket.urgency
    overridden = bool(ticket.priority_reason) and not wanted.use_matrix
    kept = ticket.priority if overridden and wanted.priority is None and not wanted.priority_reason else None
    reason = ticket.priority_reason if kept else wanted.priority_reason
    priority = chosen_priority(impact=impact, urgency=urgency, override=kept or wanted.priority, reason=reason)
    return replace(ticket, impact=impact, urgency=urgency, priority=priority, priority_reason=reason)


def _told(before: Ticket, after: Ticket, *, priority_by: str = "override") -> Decision:
    if after == before:
        return Decision(ticket=before)
    events: list[TicketPriorityChanged | TicketUpdated] = []
    changed = [Change(field=name) for name in _HIDDEN if getattr(before, name) != getattr(after, name)]
    for name in ("impact", "urgency", *_SHOWN):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changed.append(Change(field=name, old=_plain(old), new=_plain(new)))
    if before.tags != after.tags:
        changed.append(Change(field="tags", old=before.tags, new=after.tags))
    if before.priority_reason != after.priority_reason:
        changed.append(Change(field="priority_reason"))
    if changed:
        events.append(
            TicketUpdated(
                ticket_id=after.id,
                changed=tuple(changed),
                language=after.language,
                product=after.product,
                tags=after.tags,
                organisation_id=after.organisation_id,
            )
        )
    if before.priority is not after.priority:
        reason = priority_by if after.priority_reason else "matrix"
        events.append(TicketPriorityChanged(ticket_id=after.id, old=before.priority, new=after.priority, reason=reason))
    return Decision(ticket=after, events=tuple(events))


def _plain(value: object) -> str | int | None:
    return str(value) if isinstance(value, UUID) else value if isinstance(value, str | int) else None


def _or(wanted: str | None, known: str) -> str:
    return known if wanted is None else wanted
