"""What can be done with policies, and what can be asked about clocks."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, InvalidInput, NotFound
from common.match import check_rule
from common.transaction import Transaction
from escalation.calendars import usecases as calendars
from escalation.calendars.domain import ALWAYS_ID, Calendar
from escalation.sla import store
from escalation.sla.book import read_book
from escalation.sla.domain import DEFAULT_POLICY_ID, KINDS, VOID, Clock, Policy, Revision
from escalation.sla.proof import Proof, prove
from escalation.tickets.domain import MATCH_FIELDS

DRAFT, ACTIVE, RETIRED = "draft", "active", "retired"


class NotDraft(Conflict):
    """Only a draft can be activated; make a new version instead."""

    code = "policy_not_draft"


class NotActive(Conflict):
    """Only the active version of a policy can be retired."""

    code = "policy_not_active"


async def add_policy(tx: Transaction, policy: Policy) -> Policy:
    """Make a policy, or its next version, as a draft: it has no effect before it is activated.

    Raises:
        InvalidInput: it cannot be used, with a pointer to each fault.
    """
    await _check(tx.connection, policy)
    await store.save_policy(tx.connection, policy)
    return policy


async def add_version(tx: Transaction, policy: Policy) -> Policy:
    """Make the next version of a policy as a draft.

    Args:
        policy: what it shall be; its `version` is set here.
    Raises:
        NotFound: there is no such policy.
        InvalidInput: it cannot be used, with a pointer to each fault.
    """
    await store.lock_revision(tx.connection)
    versions = await store.list_policy_versions(tx.connection, policy.policy_id)
    if not versions:
        raise NotFound("there is no such policy")
    return await add_policy(tx, replace(policy, version=versions[0].version + 1, state=DRAFT))


async def activate_policy(tx: Transaction, policy_id: UUID, version: int) -> Policy:
    """Let a draft take effect, in the place of the policy's active version if it has one.

    It holds for tickets that arrive or change from now on; a policy that is new is asked right before the default one.

    Raises:
        NotFound: there is no such version.
        NotDraft: it is none any more.
    """
    newest = await store.lock_revision(tx.connection)
    policy = await store.get_policy(tx.connection, policy_id, version, lock=True)
    if policy.state == ACTIVE:
        return policy
    if policy.state != DRAFT:
        raise NotDraft
    order = [each for each, _ in newest.policies]
    if policy_id in order:
        active = dict(newest.policies)[policy_id]
        old = await store.get_policy(tx.connection, policy_id, active, lock=True)
        await store.save_policy(tx.connection, replace(old, state=RETIRED))
    else:
        behind = order.index(DEFAULT_POLICY_ID) if DEFAULT_POLICY_ID in order else len(order)
        order.insert(len(order) if policy_id == DEFAULT_POLICY_ID else behind, policy_id)
    policy = replace(policy, state=ACTIVE)
    await store.save_policy(tx.connection, policy)
    versions = dict(newest.policies) | {policy_id: version}
    await _add_revision(tx, newest, [(each, versions[each]) for each in order])
    return policy


async def retire_policy(tx: Transaction, policy_id: UUID, version: int) -> Policy:
    """Take a policy out of force. Clocks that run under it keep it.

    Raises:
        NotFound: there is no such version.
        NotActive: it is not in force.
    """
    newest = await store.lock_revision(tx.connection)
    policy = await store.get_policy(tx.connection, policy_id, version, lock=True)
    if policy.state == RETIRED:
        return policy
    if policy.state != ACTIVE:
        raise NotActive
    policy = replace(policy, state=RETIRED)
    await store.save_policy(tx.connection, policy)
    await _add_revision(tx, newest, [each for each in newest.policies if each[0] != policy_id])
    return policy


async def order_policies(tx: Transaction, order: Sequence[UUID]) -> list[Policy]:
    """Say in which order the active policies are asked, from now on.

    Args:
        order: every active policy once.
    Raises:
        InvalidInput: it is not that.
    """
    newest = await store.lock_revision(tx.connection)
    versions = dict(newest.policies)
    if len(order) != len(versions) or set(order) != versions.keys():
        fault = ("/policy_ids", "must name every active policy once")
        raise InvalidInput("the order is not complete", pointers=[fault])
    await _add_revision(tx, newest, [(policy_id, versions[policy_id]) for policy_id in order])
    return await list_active(tx.connection)


async def list_policies(connection: AsyncConnection) -> list[Policy]:
    """All versions of all policies: those in force first, in the order in which they are asked, then the others."""
    newest = await store.newest_revision(connection)
    place = {key: number for number, key in enumerate(newest.policies)}
    policies = await store.list_policy_versions(connection)
    return sorted(policies, key=lambda each: place.get((each.policy_id, each.version), len(place)))


async def list_active(connection: AsyncConnection) -> list[Policy]:
    """The policies in force, in the order in which they are asked."""
    return [policy for policy in await list_policies(connection) if policy.state == ACTIVE]


async def get_policy(connection: AsyncConnection, policy_id: UUID, version: int) -> Policy:
    """One version of a policy.

    Raises:
        NotFound: there is none.
    """
    return await store.get_policy(connection, policy_id, version)


async def add_calendar(tx: Transaction, calendar: Calendar) -> Calendar:
    """Make a calendar that policies may use from now on.

    Raises:
        InvalidInput: it cannot be counted by.
    """
    newest = await store.lock_revision(tx.connection)
    calendar = await calendars.add_calendar(tx, calendar)
    await _add_revision(tx, newest, newest.policies, calendar)
    return calendar


async def add_calendar_version(tx: Transaction, calendar: Calendar, *, if_match: int) -> Calendar:
    """Make the next version of a calendar, used by clocks of tickets whose policy is chosen from now on.

    Raises:
        NotFound: there is no such calendar.
        StaleVersion: `if_match` is not its newest version.
        InvalidInput: it cannot be counted by.
    """
    newest = await store.lock_revision(tx.connection)
    calendar = await calendars.add_version(tx, calendar, if_match=if_match)
    await _add_revision(tx, newest, newest.policies, calendar)
    return calendar


async def list_clocks(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Clock]]:
    """The clocks of these tickets as of their last events, oldest first; [] where there are none. See `judge`."""
    found = await store.list_clocks(connection, ids)
    return {
        ticket_id: sorted(
            (each.clock for each in kept.values() if each.clock.state != VOID),
            key=lambda clock: (clock.started_at, KINDS.index(clock.kind), clock.cycle),
        )
        for ticket_id, kept in found.items()
    }


async def find_clocks(connection: AsyncConnection, clock_ids: Collection[UUID]) -> dict[UUID, Clock]:
    """Those of the given clocks that are known and ever ran, as of their last events. See `judge`."""
    if not clock_ids:
        return {}
    found = await store.list_named(connection, clock_ids)
    return {each.clock.clock_id: each.clock for each in found if each.clock.state != VOID}


async def is_clock_open(connection: AsyncConnection, clock_id: UUID) -> bool:
    """Whether a clock runs or stands still; False once it was satisfied, in time or late, cancelled, or is unknown."""
    clock = (await find_clocks(connection, [clock_id])).get(clock_id)
    return clock is not None and clock.is_open


async def list_judged(connection: AsyncConnection, ticket_id: UUID, *, now: datetime) -> list[Proof]:
    """Every clock of a ticket with its arithmetic as of now, oldest first."""
    book = await read_book(connection)
    clocks = (await list_clocks(connection, [ticket_id]))[ticket_id]
    return [prove(clock, book, at=_at_least(clock, now)) for clock in clocks]


async def get_proof(connection: AsyncConnection, ticket_id: UUID, wanted: str, *, now: datetime) -> Proof:
    """The arithmetic of one clock as of now.

    Args:
        wanted: a clock's id, or a kind, of which the newest clock is taken.
    Raises:
        NotFound: the ticket has no such clock.
    """
    clocks = (await list_clocks(connection, [ticket_id]))[ticket_id]
    found = [clock for clock in clocks if wanted in (clock.kind, str(clock.clock_id))]
    if not found:
        raise NotFound("this ticket has no such clock")
    clock = max(found, key=lambda each: each.cycle)
    return prove(clock, await read_book(connection), at=_at_least(clock, now))


async def add_default_open_time(connection: AsyncConnection, start: datetime, seconds: int) -> datetime:
    """When so much open time will have passed, by the default policy's calendar, or around the clock without one."""
    newest = await store.newest_revision(connection)
    version = dict(newest.policies).get(DEFAULT_POLICY_ID)
    policy = await store.get_policy(connection, DEFAULT_POLICY_ID, version) if version else None
    calendar_id = policy.calendar_id if policy else ALWAYS_ID
    return await calendars.add_open_time(
        connection, calendar_id, start=start, seconds=seconds, version=newest.calendars[calendar_id]
    )


def _at_least(clock: Clock, now: datetime) -> datetime:
    """Now, or the moment of the clock's last event where another machine's clock is ahead of ours."""
    last = clock.ledger[-1] if clock.ledger else None
    return max(now, last.until or last.since) if last else now


async def _add_revision(
    tx: Transaction, newest: Revision, policies: Sequence[tuple[UUID, int]], calendar: Calendar | None = None
) -> None:
    calendars_now = dict(newest.calendars) | ({calendar.calendar_id: calendar.version} if calendar else {})
    await store.add_revision(
        tx.connection,
        Revision(
            number=newest.number + 1,
            effective_from=max(tx.now, newest.effective_from),
            policies=tuple(policies),
            calendars=calendars_now,
        ),
    )


async def _check(connection: AsyncConnection, policy: Policy) -> None:
    faults: list[tuple[str, str]] = []
    try:
        check_rule(policy.match, MATCH_FIELDS)
    except InvalidInput as unusable:
        faults += [(f"/match{pointer}", fault) for pointer, fault in unusable.pointers]
    known = (await store.newest_revision(connection)).calendars
    named = {"/calendar_id": policy.calendar_id}
    named |= {f"/calendars/{priority}": calendar_id for priority, calendar_id in policy.calendars.items()}
    faults += [(pointer, "there is no such calendar") for pointer, each in named.items() if each not in known]
    if faults:
        raise InvalidInput("the policy cannot be used", pointers=faults)
