"""What the service can do with tickets: load, decide, save, tell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from common.errors import InvalidInput, NotFound, StaleVersion
from common.ids import new_id
from common.timers import clear_timers, set_timers
from common.transaction import Origin, Transaction
from contracts.envelope import Event
from contracts.registry import decode_body
from intake.requesters.domain import GivenRequester
from intake.requesters.usecases import check_organisation, note_organisation, requester_named
from intake.tickets import lifecycle, store
from intake.tickets.domain import Decision, Heard, Status, Ticket, Windows, takes_contact
from intake.tickets.edits import Edit, chosen_priority, edit, merged_custom, ordered_tags
from intake.tickets.opening import NewTicket, Opening, first_message, told_of_requester, told_of_ticket
from intake.tickets.opening_store import add_openings
from intake.tickets.projection import project

RESUME_TIMER = "ticket_resume"
CLOSE_TIMER = "ticket_close"
_OVERDUE_AT_ONCE = 500


async def open_ticket(tx: Transaction, wanted: NewTicket) -> tuple[Ticket, bool]:
    """Open a ticket, or find the one that stands under the same natural key.

    Returns:
        The ticket, and whether it is new.
    Raises:
        InvalidInput: something that the request names does not exist, or an override lacks its reason.
    """
    opening = await _prepare(tx, wanted)
    [opened] = await add_openings(tx, [opening])
    told = told_of_requester(opening, opened)
    if told is not None:
        tx.add_events(told[0], [told[1]])
    if opened.number is None:
        # Committed meanwhile at the latest: a statement of its own sees it.
        known = await store.find_by_ref(tx.connection, wanted.system, wanted.external_ref)
        assert known is not None, "an opening is only left out for a ticket under its natural key"
        return known, False
    assert opened.requester_id is not None
    ticket = replace(
        opening.ticket,
        number=opened.number,
        requester_id=opened.requester_id,
        organisation_id=opened.organisation_id,
    )
    tx.add_events(ticket.event_subject, told_of_ticket(ticket, opening.message))
    return ticket, True


async def command(
    tx: Transaction, ticket_id: UUID, decide: Callable[[Ticket], Decision], *, expected_version: int | None = None
) -> Ticket:
    """Let a rule decide over the locked ticket, and save what it decided.

    Args:
        decide: the rule, bound to everything but the ticket.
        expected_version: the version that the caller decided on; None for commands that do not depend on the state.
    Raises:
        NotFound: there is no such ticket.
        StaleVersion: the ticket has moved on since.
        Conflict: the rule refuses; `code` says why.
    """
    ticket = await store.lock_ticket(tx.connection, ticket_id)
    if expected_version is not None and expected_version != ticket.version:
        raise StaleVersion(f"the ticket is at version {ticket.version}, not {expected_version}")
    return await apply(tx, ticket, decide(ticket))


async def edit_ticket(tx: Transaction, ticket_id: UUID, wanted: Edit, *, expected_version: int) -> Ticket:
    """Change plain fields.

    Raises:
        NotFound, StaleVersion, Conflict: as `command`.
        InvalidInput: the organisation is not known, or the rule of a field is broken.
    """
    if wanted.organisation_id is not None:
        await check_organisation(tx, wanted.organisation_id)
    return await command(tx, ticket_id, lambda ticket: edit(ticket, wanted), expected_version=expected_version)


async def resolve_ticket(
    tx: Transaction, ticket_id: UUID, decide: Callable[[Ticket], Decision], *, expected_version: int, windows: Windows
) -> Ticket:
    """Resolve a ticket, which closes by itself when nobody comes back.

    Raises:
        NotFound, StaleVersion, Conflict: as `command`.
    """
    ticket = await command(tx, ticket_id, decide, expected_version=expected_version)
    if ticket.resolved_at == tx.now:
        await set_timers(tx, CLOSE_TIMER, [(ticket.id, ticket.resolution_seq, tx.now + windows.close_after)])
    return ticket


async def lock(tx: Transaction, ticket_id: UUID) -> Ticket:
    """The ticket, locked until the transaction ends.

    Raises:
        NotFound: there is no such ticket.
    """
    return await store.lock_ticket(tx.connection, ticket_id)


async def follow_up(tx: Transaction, ended: Ticket, *, channel: str, reopen_window: timedelta) -> Ticket:
    """Where the requester of a locked ticket that is over is heard: a ticket that is locked too, or new.

    Their newest follow-up of it that takes contact; else a new one, which follows the newest of them all and has its
    person, subject and triage. A follow-up that somebody else opened never is the one.
    """
    held = ended
    while not takes_contact(held, now=tx.now, reopen_window=reopen_window):
        later = await store.find_follow_ups(tx.connection, ended)
        alive = [one for one in later if takes_contact(one, now=tx.now, reopen_window=reopen_window)]
        wanted = next(iter(alive or later), ended)
        # Under the lock of the last one, no other word on it can open a second follow-up.
        if wanted.id == held.id:
            return await _open_follow_up(tx, held, channel=channel)
        held = await store.lock_ticket(tx.connection, wanted.id)
    return held


async def hear(tx: Transaction, ticket: Ticket, message: Heard, *, origin: Origin) -> Ticket:
    """Let a message take its effect on a locked ticket.

    The version rises with the requester's messages, with an agent's outbound ones, and with responses.

    Raises:
        Conflict: transition_not_allowed where the message asks the requester and the status cannot wait.
    """
    decision = lifecycle.heard(ticket, message, now=tx.now)
    counts = message.by_customer or message.by_agent or message.counts_as_response
    return await apply(tx, ticket, decision, origin=origin, counts=counts)


async def apply(
    tx: Transaction, before: Ticket, decision: Decision, *, origin: Origin | None = None, counts: bool = True
) -> Ticket:
    """Save a decision over a locked ticket, keep its timers in step, and tell. Without a change nothing is done.

    Args:
        before: the ticket as it was locked.
        origin: who caused it, where that is not the transaction's own origin.
        counts: whether the version rises.
    Returns:
        The ticket as it now is.
    """
    if decision.ticket == before:
        return before
    after = replace(decision.ticket, updated_at=tx.now, version=before.version + counts)
    await store.save_ticket(tx.connection, after)
    await _keep_timers(tx, before, after)
    tx.add_events(after.event_subject, decision.events, origin=origin)
    return after


async def resume_due(tx: Transaction, ticket_id: UUID, generation: int) -> None:
    """The time of a hold has come; nothing happens where that hold is over."""
    ticket = await store.lock_ticket(tx.connection, ticket_id)
    await apply(tx, ticket, lifecycle.resume_due(ticket, generation=generation))


async def close_due(tx: Transaction, ticket_id: UUID, generation: int, *, windows: Windows) -> None:
    """Nobody came back since this resolution; where it is over, nothing happens, and where it is not yet time, later.

    Args:
        generation: the `resolution_seq` that the timer was set for.
    """
    ticket = await store.lock_ticket(tx.connection, ticket_id)
    if ticket.resolved_at is not None and tx.now < ticket.resolved_at + windows.close_after:
        # Resolved anew, or `close_after` has become longer, since the timer was set.
        due = ticket.resolved_at + windows.close_after
        await set_timers(tx, CLOSE_TIMER, [(ticket.id, ticket.resolution_seq, due)])
        return
    await apply(tx, ticket, lifecycle.close_due(ticket, resolution_seq=generation, now=tx.now))


async def set_lacking_close_timers(tx: Transaction, *, windows: Windows) -> None:
    """Let the resolved tickets whose time is over close now; those with a due timer of their own lose nothing."""
    overdue = await store.list_resolved(tx.connection, before=tx.now - windows.close_after, limit=_OVERDUE_AT_ONCE)
    await set_timers(tx, CLOSE_TIMER, [(ticket_id, seq, tx.now) for ticket_id, seq in overdue])


async def project_events(tx: Transaction, events: Sequence[tuple[Event, Origin]], *, reopen_window: timedelta) -> None:
    """Keep other services' events for the timelines, and show on the tickets what they say.

    Args:
        events: in order per ticket and source, each with the origin of what it causes.
        reopen_window: how long a resolved ticket may be reopened.
    """
    by_ticket = [(UUID(event.subject_id), event, origin) for event, origin in events]
    tickets = await store.lock_tickets(tx.connection, list({ticket_id for ticket_id, _, _ in by_ticket}))
    shown = dict(tickets)
    for ticket_id, event, origin in by_ticket:
        body = decode_body(event)
        # A ticket that is not ours is no reason to refuse: its events are kept, and there is nothing to show them on.
        if body is not None and ticket_id in shown:
            before = shown[ticket_id]
            decision = project(before, body, event_id=event.id, now=tx.now, reopen_window=reopen_window)
            shown[ticket_id] = decision.ticket
            tx.add_events(decision.ticket.event_subject, decision.events, origin=origin)
    # What is shown leaves the version alone; a reopening is the requester's own act, which does not.
    reopened = {key for key in tickets if shown[key].reopen_count != tickets[key].reopen_count}
    changed = [
        replace(shown[key], updated_at=tx.now, version=tickets[key].version + (key in reopened))
        for key in tickets
        if shown[key] != tickets[key]
    ]
    if changed:
        await store.save_projections(tx.connection, changed)
        await clear_timers(tx, CLOSE_TIMER, list(reopened))
    await store.add_kept_events(tx.connection, [(ticket_id, event) for ticket_id, event, _ in by_ticket])


async def _open_follow_up(tx: Transaction, ended: Ticket, *, channel: str) -> Ticket:
    opened, _ = await open_ticket(
        tx,
        NewTicket(
            subject=ended.subject,
            requester=ended.requester_id,
            channel=channel or ended.source_channel,
            organisation_id=ended.organisation_id,
            category=ended.category,
            component=ended.component,
            product=ended.product,
            impact=ended.impact,
            urgency=ended.urgency,
            language=ended.language,
            tags=ended.tags,
            skills=ended.skills,
            tier_required=ended.tier_required,
            follow_up_of=ended.id,
        ),
    )
    return opened


async def _prepare(tx: Transaction, wanted: NewTicket) -> Opening:
    if wanted.organisation_id is not None:
        await check_organisation(tx, wanted.organisation_id)
    if wanted.follow_up_of is not None:
        await _check_followed(tx, wanted.follow_up_of)
    requester, requester_id, organisation_id = await _requester_of(tx, wanted)
    message = None
    if wanted.description:
        message = first_message(wanted, message_id=new_id(), requester_id=requester_id, agent_id=tx.origin.agent_id)
    ticket = Ticket(
        id=new_id(),
        number=0,
        status=Status.NEW,
        subject=wanted.subject,
        requester_id=requester_id,
        created_at=tx.now,
        updated_at=tx.now,
        impact=wanted.impact,
        urgency=wanted.urgency,
        priority=chosen_priority(
            impact=wanted.impact, urgency=wanted.urgency, override=wanted.priority, reason=wanted.priority_reason
        ),
        priority_reason=wanted.priority_reason,
        organisation_id=wanted.organisation_id or (None if requester else organisation_id),
        source_channel=wanted.channel,
        source_system=wanted.system,
        external_ref=wanted.external_ref,
        category=wanted.category,
        component=wanted.component,
        product=wanted.product,
        language=wanted.language,
        tags=ordered_tags(wanted.tags),
        custom=merged_custom({}, wanted.custom or {}),
        skills=wanted.skills,
        tier_required=wanted.tier_required,
        proactive=wanted.proactive,
        follow_up_of=wanted.follow_up_of,
        message_count=1 if message else 0,
    )
    return Opening(ticket=ticket, requester=requester, requester_organisation_id=organisation_id, message=message)


async def _requester_of(tx: Transaction, wanted: NewTicket) -> tuple[GivenRequester | None, UUID, UUID | None]:
    """The person to note if any, their id (a new one if they turn out to be new), and their organisation."""
    if isinstance(wanted.requester, UUID):
        known = await requester_named(tx, wanted.requester)
        return None, known.id, known.organisation_id
    return wanted.requester, new_id(), await note_organisation(tx, wanted.requester)


async def _check_followed(tx: Transaction, ticket_id: UUID) -> None:
    try:
        await store.get_ticket(tx.connection, ticket_id)
    except NotFound as absent:
        raise InvalidInput(absent.detail, pointers=[("/follow_up_of", "is not known")]) from absent


async def _keep_timers(tx: Transaction, before: Ticket, after: Ticket) -> None:
    if after.resume_at is not None and after.hold_generation != before.hold_generation:
        await set_timers(tx, RESUME_TIMER, [(after.id, after.hold_generation, after.resume_at)])
    elif before.resume_at is not None and after.resume_at is None:
        await clear_timers(tx, RESUME_TIMER, [after.id])
    if before.status is Status.RESOLVED and after.status is not Status.RESOLVED:
        await clear_timers(tx, CLOSE_TIMER, [after.id])
