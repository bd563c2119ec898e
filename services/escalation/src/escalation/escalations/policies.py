"""What can be done with escalation policies: make them and their versions, activate, retire, read."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, NotFound, StaleVersion
from common.transaction import Transaction
from escalation.calendars.usecases import get_calendar
from escalation.escalations import store
from escalation.escalations.policy import Policy, Version, VersionState, check_draft, check_version


async def add_policy(tx: Transaction, policy: Policy, first: Version) -> Policy:
    """Make a policy with its first version, a draft.

    Raises:
        InvalidInput: the version could never run.
        NotFound: there is no such calendar.
        Conflict: `policy_exists`, another one has its name.
    """
    await _check(tx.connection, first)
    if not await store.add_policy(tx.connection, policy):
        raise Conflict("there is a policy of this name", code="policy_exists")
    await store.add_version(tx.connection, first)
    return replace(policy, versions=(first,))


async def add_version(tx: Transaction, version: Version) -> Policy:
    """Make the next version of a policy, a draft.

    Args:
        version: its number is set here.
    Raises:
        NotFound: there is no such policy or calendar.
        InvalidInput: the version could never run.
    """
    policy = await store.get_policy(tx.connection, version.policy_id, lock=True)
    version = replace(version, version=len(policy.versions) + 1)
    await _check(tx.connection, version)
    await store.add_version(tx.connection, version)
    return await _count(tx, policy.policy_id)


async def activate(tx: Transaction, policy_id: UUID, number: int, *, if_match: int) -> Policy:
    """Let runs that begin from now on follow this version; the one that was active is retired. Runs keep theirs.

    Raises:
        NotFound: there is no such policy or version.
        StaleVersion: `if_match` is not the policy's version.
        Conflict: `policy_not_draft`.
    """
    policy = await _lock(tx, policy_id, if_match)
    wanted = _version_of(policy, number)
    if wanted.state is VersionState.ACTIVE:
        return policy
    check_draft(wanted)
    for active in policy.versions:
        if active.state is VersionState.ACTIVE:
            await store.move_version(tx.connection, replace(active, state=VersionState.RETIRED, retired_at=tx.now))
    await store.move_version(tx.connection, replace(wanted, state=VersionState.ACTIVE, activated_at=tx.now))
    return await _count(tx, policy_id)


async def retire(tx: Transaction, policy_id: UUID, number: int, *, if_match: int) -> Policy:
    """Let no run begin by this version any more, for good. Runs that go on keep it.

    Raises:
        NotFound: there is no such policy or version.
        StaleVersion: `if_match` is not the policy's version.
    """
    policy = await _lock(tx, policy_id, if_match)
    version = _version_of(policy, number)
    if version.state is VersionState.RETIRED:
        return policy
    await store.move_version(tx.connection, replace(version, state=VersionState.RETIRED, retired_at=tx.now))
    return await _count(tx, policy_id)


async def list_policies(connection: AsyncConnection) -> Sequence[Policy]:
    """All policies in the order in which they are asked."""
    return await store.list_policies(connection)


async def get_policy(connection: AsyncConnection, policy_id: UUID) -> Policy:
    """One policy with all its versions.

    Raises:
        NotFound: there is no such policy.
    """
    return await store.get_policy(connection, policy_id)


async def _lock(tx: Transaction, policy_id: UUID, if_match: int) -> Policy:
    policy = await store.get_policy(tx.connection, policy_id, lock=True)
    if policy.version != if_match:
        raise StaleVersion
    return policy


async def _count(tx: Transaction, policy_id: UUID) -> Policy:
    await store.count_command(tx.connection, policy_id)
    return await store.get_policy(tx.connection, policy_id)


async def _check(connection: AsyncConnection, version: Version) -> None:
    check_version(version)
    await get_calendar(connection, version.calendar_id)


def _version_of(policy: Policy, number: int) -> Version:
    found = next((version for version in policy.versions if version.version == number), None)
    if found is None:
        raise NotFound("there is no such version of the escalation policy")
    return found
