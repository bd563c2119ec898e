"""What each command and the timer make of a handoff: pure decisions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from common.errors import InvalidInput
from contracts.escalation import (
    HandoffCompleted,
    HandoffPackageCompleted,
    HandoffRecalled,
    HandoffRequested,
    HandoffReturned,
)
from escalation.agents.domain import HIGHEST_TIER
from escalation.handoffs.domain import (
    RAISES_TIER,
    Addressee,
    AlreadyAccepted,
    Decision,
    Handoff,
    NotOwner,
    NotYours,
    Package,
    PackageChanges,
    Reason,
    ReturnReason,
    State,
    TicketOver,
    Times,
    WrongState,
)
from escalation.handoffs.package import change, completeness, missing
from escalation.tickets.domain import Ticket


def draft(
    ticket: Ticket,
    *,
    handoff_id: UUID,
    sender_id: UUID | None,
    to: Addressee,
    reason: Reason,
    package: Package,
    emergency: bool,
    by: str,
    at: datetime,
) -> Handoff:
    """A handoff that nobody has been asked about yet.

    Args:
        sender_id: None where a client acts for nobody: the ticket's owner is the sender.
        by: who made it, as in events.
    Raises:
        TicketOver: see the class.
        NotOwner: see the class.
        InvalidInput: it is addressed to its own sender.
    """
    sender = _owner(ticket, sender_id)
    if to.agent_id == sender:
        fault = ("/to/agent_id", "is the sender")
        raise InvalidInput("nobody hands over to themselves", pointers=[fault])
    return Handoff(
        handoff_id=handoff_id,
        ticket_id=ticket.ticket_id,
        requester_id=ticket.requester_id,
        state=State.DRAFT,
        from_agent_id=sender,
        from_tier=ticket.owner_tier,
        reason_code=reason,
        tier_required=_tier(ticket, to, reason),
        emergency=emergency,
        to_agent_id=to.agent_id,
        only_agent=to.agent_id is not None and to.tier is None and not to.teams,
        to_teams=to.teams,
        skills=to.skills,
        package=package,
        created_at=at,
        created_by=by,
        updated_at=at,
    )


def request(handoff: Handoff, ticket: Ticket, *, times: Times, at: datetime) -> Decision:
    """Ask for somebody who takes the ticket over.

    Raises:
        WrongState: it is no draft.
        TicketOver: see the class.
        NotOwner: the sender does not own the ticket any more.
        InvalidInput: `package_incomplete`, with a pointer to each missing field, and it is no emergency.
    """
    if handoff.state is not State.DRAFT:
        raise WrongState(f"the handoff is {handoff.state}: only a draft can be requested")
    _owner(ticket, handoff.from_agent_id)
    lacking = missing(handoff.package)
    if lacking and not handoff.emergency:
        raise incomplete(lacking)
    expires_at = at + times.life
    requested = replace(
        handoff,
        state=State.REQUESTED,
        requested_at=at,
        deadline=min(at + times.accept_within, expires_at),
        expires_at=expires_at,
        package_due_at=at + times.package_within if lacking else None,
        package_completed_at=None if lacking else at,
        version=handoff.version + 1,
        updated_at=at,
    )
    return Decision(handoff=requested, events=(_requested(requested),))


def change_package(handoff: Handoff, changes: PackageChanges, *, at: datetime) -> Decision:
    """Fill or correct the package; the event comes where that completes what an emergency left open.

    Raises:
        WrongState: the handoff has ended.
        InvalidInput: `package_incomplete`: a complete package would lose something that the receiver relies on.
    """
    if handoff.state not in (State.DRAFT, State.REQUESTED, State.ACCEPTED):
        raise WrongState(f"the handoff is {handoff.state}: its package stays as it is")
    package = change(handoff.package, changes)
    lacking = missing(package)
    if handoff.package_completed_at is not None and lacking:
        raise incomplete(lacking)
    changed = replace(handoff, package=package, version=handoff.version + 1, updated_at=at)
    if handoff.state is State.DRAFT or lacking or handoff.package_completed_at is not None:
        return Decision(handoff=changed)
    told = HandoffPackageCompleted(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        completeness=completeness(package),
    )
    return Decision(handoff=replace(changed, package_completed_at=at), events=(told,))


def withdraw(handoff: Handoff, *, at: datetime) -> Decision:
    """Take the request back; a draft is gone at once, a requested one when routing says so. A repeat changes nothing.

    The version stays, so that whoever did not hear the answer can ask again on the same one.

    Raises:
        AlreadyAccepted: somebody was faster.
        WrongState: it ended otherwise.
    """
    if handoff.state is State.DRAFT:
        # Nobody was told of it, so nobody is told of its end.
        return Decision(handoff=replace(handoff, state=State.WITHDRAWN, ending="sender", ended_at=at, updated_at=at))
    if handoff.state is State.REQUESTED:
        return recall(handoff, "sender", at=at)
    refuse_ended(handoff)
    return Decision(handoff=handoff)


def refuse_ended(handoff: Handoff) -> None:
    """Say to whoever withdrew that the handoff ended otherwise; nothing where it ended, or is about to end, so.

    Raises:
        AlreadyAccepted: somebody was faster.
        WrongState: it ended otherwise.
    """
    if handoff.state in (State.ACCEPTED, State.RETURNED, State.COMPLETED):
        raise AlreadyAccepted
    if handoff.state in (State.DECLINED, State.EXPIRED):
        raise WrongState(f"the handoff is {handoff.state} already")


def refuse_over(handoff: Handoff) -> None:
    """Say to whoever answers an offer that the handoff waits for no answer.

    Raises:
        AlreadyAccepted: somebody has it.
        WrongState: it is a draft, or has ended.
    """
    if handoff.state in (State.ACCEPTED, State.RETURNED, State.COMPLETED):
        raise AlreadyAccepted
    if handoff.state is not State.REQUESTED:
        raise WrongState(f"the handoff is {handoff.state}")


def recall(handoff: Handoff, reason: str, *, at: datetime) -> Decision:
    """Let routing end a requested handoff's work, unless somebody accepted. The first reason stands."""
    if handoff.state is not State.REQUESTED or handoff.ending:
        return Decision(handoff=handoff)
    told = HandoffRecalled(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        reason=reason,
    )
    return Decision(handoff=replace(handoff, ending=reason, updated_at=at), events=(told,))


def give_back(
    handoff: Handoff,
    ticket: Ticket,
    *,
    return_id: UUID,
    to_agent_id: UUID | None,
    reason: ReturnReason,
    findings: str,
    teaching_note: str,
    by: str,
    times: Times,
    at: datetime,
) -> tuple[Decision, Decision]:
    """The receiver gives an accepted handoff back: it is returned, and a handoff of its own asks the sender first.

    Args:
        to_agent_id: the original sender, None where they have left: then any agent of their tier is asked.
    Raises:
        WrongState: it is not accepted.
        TicketOver: see the class.
        NotOwner: the receiver does not own the ticket any more.
    Returns:
        what becomes of this one, and the new one.
    """
    if handoff.state is not State.ACCEPTED or handoff.receiver_id is None:
        raise WrongState(f"the handoff is {handoff.state}: only an accepted one can be given back")
    receiver = _owner(ticket, handoff.receiver_id)
    package = change(handoff.package, {"ask": findings})
    # Only an emergency can still lack something, and that is no reason to refuse: it may be why it is given back.
    lacking = missing(package)
    expires_at = at + times.life
    back = Handoff(
        handoff_id=return_id,
        ticket_id=handoff.ticket_id,
        requester_id=handoff.requester_id,
        state=State.REQUESTED,
        from_agent_id=receiver,
        from_tier=ticket.owner_tier,
        reason_code=Reason.RETURNED,
        tier_required=handoff.from_tier or 1,
        to_agent_id=to_agent_id,
        return_of=handoff.handoff_id,
        emergency=bool(lacking),
        package=package,
        package_due_at=at + times.package_within if lacking else None,
        package_completed_at=None if lacking else at,
        requested_at=at,
        deadline=min(at + times.accept_within, expires_at),
        expires_at=expires_at,
        created_at=at,
        created_by=by,
        updated_at=at,
    )
    returned = replace(
        handoff,
        state=State.RETURNED,
        ended_at=at,
        return_reason=reason,
        findings=findings,
        teaching_note=teaching_note,
        returned_by=return_id,
        version=handoff.version + 1,
        updated_at=at,
    )
    told = HandoffReturned(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        agent_id=receiver,
        reason_code=reason,
        return_handoff_id=return_id,
        has_teaching_note=bool(teaching_note),
    )
    return Decision(handoff=returned, events=(told,)), Decision(handoff=back, events=(_requested(back),))


def complete(handoff: Handoff, *, at: datetime) -> Decision:
    """The receiver has done what was asked; a repeat changes nothing.

    Raises:
        WrongState: it was never accepted, or given back.
    """
    if handoff.state is State.COMPLETED:
        return Decision(handoff=handoff)
    if handoff.state is not State.ACCEPTED or handoff.receiver_id is None:
        raise WrongState(f"the handoff is {handoff.state}: only an accepted one can be completed")
    told = HandoffCompleted(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        agent_id=handoff.receiver_id,
    )
    done = replace(handoff, state=State.COMPLETED, ended_at=at, version=handoff.version + 1, updated_at=at)
    return Decision(handoff=done, events=(told,))


def check_sender(handoff: Handoff, agent_id: UUID | None) -> None:
    """Refuse another agent than the sender; a client that acts for nobody may.

    Raises:
        NotYours: see the class.
    """
    if agent_id is not None and agent_id != handoff.from_agent_id:
        raise NotYours


def check_receiver(handoff: Handoff, agent_id: UUID | None) -> None:
    """Refuse another agent than the receiver; a client that acts for nobody may.

    Raises:
        NotYours: see the class.
    """
    if agent_id is not None and handoff.receiver_id is not None and agent_id != handoff.receiver_id:
        raise NotYours


def incomplete(lacking: Sequence[str]) -> InvalidInput:
    """The refusal that names what a package lacks."""
    return InvalidInput(
        "the package lacks what the receiver needs",
        code="package_incomplete",
        pointers=[(f"/package/{name}", "is required") for name in lacking],
    )


def _owner(ticket: Ticket, agent_id: UUID | None) -> UUID:
    if ticket.is_finished:
        raise TicketOver(f"the ticket is {ticket.status}")
    if ticket.owner_id is None or (agent_id is not None and agent_id != ticket.owner_id):
        raise NotOwner
    return ticket.owner_id


def _tier(ticket: Ticket, to: Addressee, reason: Reason) -> int:
    if to.tier is not None:
        return to.tier
    above = ticket.owner_tier + 1 if reason in RAISES_TIER and to.agent_id is None else 1
    return min(HIGHEST_TIER, max(ticket.tier_required, above))


def _requested(handoff: Handoff) -> HandoffRequested:
    assert handoff.deadline is not None
    assert handoff.expires_at is not None
    return HandoffRequested(
        ticket_id=handoff.ticket_id,
        handoff_id=handoff.handoff_id,
        from_agent_id=handoff.from_agent_id,
        tier_required=handoff.tier_required,
        reason_code=handoff.reason_code,
        completeness=round(completeness(handoff.package), 4),
        emergency=handoff.emergency,
        deadline=handoff.deadline,
        expires_at=handoff.expires_at,
        to_agent_id=handoff.to_agent_id,
        only_agent=handoff.only_agent,
        to_teams=handoff.to_teams,
        skills=handoff.skills,
        return_of=handoff.return_of,
    )
