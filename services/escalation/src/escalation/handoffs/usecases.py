"""What can be done with handoffs. Locks: the ticket's facts, then the handoff."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, InvalidInput, StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from escalation.agents.usecases import find_agent
from escalation.handoffs import lifecycle, store
from escalation.handoffs.domain import (
    Addressee,
    Decision,
    Handoff,
    HandoffOpen,
    Package,
    PackageChanges,
    Reason,
    ReturnReason,
    Times,
)
from escalation.handoffs.keeping import Kept, keep
from escalation.tickets.usecases import lock_ticket


async def open_handoff(
    tx: Transaction,
    ticket_id: UUID,
    *,
    to: Addressee,
    reason: Reason,
    package: Package,
    emergency: bool,
    is_draft: bool,
    times: Times,
) -> Handoff:
    """Make a handoff, and request it unless it is a draft. The acting agent is the sender, else the ticket's owner.

    Raises:
        NotFound: the ticket is not known here.
        InvalidInput: it is addressed to the sender or to nobody known; `package_incomplete`.
        Conflict: `handoff_open, not_owner, ticket_over, agent_inactive`.
    """
    ticket = await lock_ticket(tx, ticket_id)
    drafted = lifecycle.draft(
        ticket,
        handoff_id=new_id(),
        sender_id=tx.origin.agent_id,
        to=to,
        reason=reason,
        package=package,
        emergency=emergency,
        by=tx.origin.actor,
        at=tx.now,
    )
    await _check_addressee(tx, to)
    if is_draft:
        decision = Decision(handoff=drafted)
    else:
        await _check_none_open(tx, ticket_id)
        decision = lifecycle.request(drafted, ticket, times=times, at=tx.now)
    return await _keep(tx, None, decision)


async def request_handoff(tx: Transaction, handoff_id: UUID, *, if_match: int, times: Times) -> Handoff:
    """Request a draft.

    Raises:
        NotFound: there is no such handoff.
        StaleVersion: `if_match` is not its version.
        Forbidden: `not_your_handoff`.
        InvalidInput: `package_incomplete`.
        Conflict: `handoff_state, handoff_open, not_owner, ticket_over`.
    """
    seen = await store.get_handoff(tx.connection, handoff_id)
    ticket = await lock_ticket(tx, seen.ticket_id)
    handoff = await _lock(tx, handoff_id, if_match)
    lifecycle.check_sender(handoff, tx.origin.agent_id)
    decision = lifecycle.request(handoff, ticket, times=times, at=tx.now)
    await _check_none_open(tx, handoff.ticket_id)
    return await _keep(tx, handoff, decision)


async def request_emergency(
    tx: Transaction,
    ticket_id: UUID,
    *,
    tier_required: int,
    times: Times,
    reason: Reason = Reason.BREACH,
    teams: tuple[str, ...] = (),
) -> Handoff | None:
    """What an escalation asks for: somebody of a higher tier; the owner stays until they accept, the package follows.

    Returns:
        The handoff; None where it would be needless: nobody owns the ticket, or somebody of that tier does, it is
        over, or one is open already.
    Raises:
        NotFound: the ticket is not known here.
    """
    ticket = await lock_ticket(tx, ticket_id)
    if ticket.is_finished or ticket.owner_id is None or ticket.owner_tier >= tier_required:
        return None
    if await store.find_open(tx.connection, ticket_id) is not None:
        return None
    drafted = lifecycle.draft(
        ticket,
        handoff_id=new_id(),
        sender_id=None,
        to=Addressee(tier=tier_required, teams=teams),
        reason=reason,
        package=Package(),
        emergency=True,
        by=tx.origin.actor,
        at=tx.now,
    )
    return await _keep(tx, None, lifecycle.request(drafted, ticket, times=times, at=tx.now))


async def change_package(tx: Transaction, handoff_id: UUID, changes: PackageChanges, *, if_match: int) -> Handoff:
    """Fill or correct the package.

    Raises:
        NotFound: there is no such handoff.
        StaleVersion: `if_match` is not its version.
        Forbidden: `not_your_handoff`.
        InvalidInput: `package_incomplete`.
        Conflict: `handoff_state`.
    """
    handoff = await _lock(tx, handoff_id, if_match)
    lifecycle.check_sender(handoff, tx.origin.agent_id)
    return await _keep(tx, handoff, lifecycle.change_package(handoff, changes, at=tx.now))


async def withdraw_handoff(tx: Transaction, handoff_id: UUID, *, if_match: int) -> Handoff:
    """Take a request back. A draft is gone at once; of a requested one routing says whether somebody was faster.

    Raises:
        NotFound: there is no such handoff.
        StaleVersion: `if_match` is not its version.
        Forbidden: `not_your_handoff`.
        Conflict: `handoff_accepted, handoff_state`.
    """
    handoff = await _lock(tx, handoff_id, if_match)
    lifecycle.check_sender(handoff, tx.origin.agent_id)
    return await _keep(tx, handoff, lifecycle.withdraw(handoff, at=tx.now))


async def return_handoff(
    tx: Transaction,
    handoff_id: UUID,
    *,
    if_match: int,
    reason: ReturnReason,
    findings: str,
    teaching_note: str,
    times: Times,
) -> Handoff:
    """Give an accepted handoff back: a new one asks the original sender first, then any agent of their tier.

    Returns:
        The one that was given back; `returned_by` names the new one.
    Raises:
        NotFound: there is no such handoff.
        StaleVersion: `if_match` is not its version.
        Forbidden: `not_your_handoff`.
        Conflict: `handoff_state, handoff_open, not_owner, ticket_over`.
    """
    seen = await store.get_handoff(tx.connection, handoff_id)
    ticket = await lock_ticket(tx, seen.ticket_id)
    handoff = await _lock(tx, handoff_id, if_match)
    lifecycle.check_receiver(handoff, tx.origin.agent_id)
    sender = await find_agent(tx.connection, handoff.from_agent_id)
    returned, back = lifecycle.give_back(
        handoff,
        ticket,
        return_id=new_id(),
        to_agent_id=handoff.from_agent_id if sender is None or sender.active else None,
        reason=reason,
        findings=findings,
        teaching_note=teaching_note,
        by=tx.origin.actor,
        times=times,
        at=tx.now,
    )
    await _check_none_open(tx, handoff.ticket_id)
    kept = await _keep(tx, handoff, returned)
    await _keep(tx, None, back)
    return kept


async def complete_handoff(tx: Transaction, handoff_id: UUID, *, if_match: int) -> Handoff:
    """The receiver has done what was asked; the ticket may go on.

    Raises:
        NotFound: there is no such handoff.
        StaleVersion: `if_match` is not its version.
        Forbidden: `not_your_handoff`.
        Conflict: `handoff_state`.
    """
    handoff = await _lock(tx, handoff_id, if_match)
    lifecycle.check_receiver(handoff, tx.origin.agent_id)
    return await _keep(tx, handoff, lifecycle.complete(handoff, at=tx.now))


async def expire_due(tx: Transaction, handoff_id: UUID, _generation: int) -> None:
    """Recall a handoff whose time is over; nothing where it ended, or is about to, by itself."""
    handoff = await store.lock_handoff(tx.connection, handoff_id)
    if handoff.expires_at is not None and handoff.expires_at <= tx.now:
        await _keep(tx, handoff, lifecycle.recall(handoff, "expired", at=tx.now))


async def get_handoff(connection: AsyncConnection, handoff_id: UUID) -> Handoff:
    """One handoff.

    Raises:
        NotFound: there is none of that id.
    """
    return await store.get_handoff(connection, handoff_id)


async def list_automatic(connection: AsyncConnection, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the given handoffs that escalations asked for, not people."""
    return await store.list_made_by(connection, ids, "service:escalation") if ids else frozenset()


async def find_open(connection: AsyncConnection, ticket_id: UUID) -> Handoff | None:
    """The ticket's requested handoff."""
    return await store.find_open(connection, ticket_id)


async def list_handoffs(
    connection: AsyncConnection,
    *,
    before: UUID | None,
    limit: int,
    to: UUID | None = None,
    sender: UUID | None = None,
    ticket: UUID | None = None,
    states: Sequence[str] = (),
) -> Sequence[Handoff]:
    """A page of handoffs, the latest first.

    Args:
        before: of the last one seen.
        to: offered to this agent now, or accepted by them.
        sender: handed over by this agent.
        states: any of these; empty for all.
    """
    return await store.list_page(
        connection, before=before, limit=limit, to=to, sender=sender, ticket=ticket, states=states
    )


async def _lock(tx: Transaction, handoff_id: UUID, if_match: int) -> Handoff:
    handoff = await store.lock_handoff(tx.connection, handoff_id)
    if handoff.version != if_match:
        raise StaleVersion
    return handoff


async def _keep(tx: Transaction, before: Handoff | None, decision: Decision) -> Handoff:
    told = tuple((body, tx.origin) for body in decision.events)
    await keep(tx, [Kept(before=before, after=decision.handoff, told=told)])
    return decision.handoff


async def _check_none_open(tx: Transaction, ticket_id: UUID) -> None:
    if await store.find_open(tx.connection, ticket_id) is not None:
        raise HandoffOpen


async def _check_addressee(tx: Transaction, to: Addressee) -> None:
    if to.agent_id is None:
        return
    agent = await find_agent(tx.connection, to.agent_id)
    if agent is None:
        raise InvalidInput("the addressed agent is not known", pointers=[("/to/agent_id", "no such agent")])
    if not agent.active:
        raise Conflict("the addressed agent has left", code="agent_inactive")
