"""What can be done with survey policies. A survey keeps the version under which it was planned."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import InvalidInput, NotFound
from common.ids import new_id
from common.match import check_rule, matches
from common.transaction import Transaction
from feedback.policies import domain, store
from feedback.policies.domain import MATCH_FIELDS, Policy, PolicyVersion, Rules, SurveyKind


async def add_policy(tx: Transaction, *, name: str, kind: SurveyKind, rules: Rules) -> Policy:
    """Make a policy with a first version, a draft.

    Raises:
        InvalidInput: the match rule cannot be used.
        Conflict: `policy_exists`.
    """
    _check(rules)
    empty = Policy(policy_id=new_id(), name=name, kind=kind, created_at=tx.now, versions=())
    policy = replace(empty, versions=(domain.draft(empty, rules, now=tx.now),))
    await store.add_policy(tx.connection, policy)
    return policy


async def add_version(tx: Transaction, policy_id: UUID, changes: Mapping[str, object]) -> Policy:
    """Make the next version, a draft.

    Args:
        changes: fields of `Rules`; what is absent is as in the newest version.
    Raises:
        NotFound: there is no such policy.
        InvalidInput: the match rule cannot be used.
    """
    policy = await store.get_policy(tx.connection, policy_id, lock=True)
    rules = replace(policy.versions[-1].rules, **changes)
    _check(rules)
    version = domain.draft(policy, rules, now=tx.now)
    await store.save_versions(tx.connection, [version])
    return replace(policy, versions=(*policy.versions, version))


async def activate(tx: Transaction, policy_id: UUID, number: int) -> Policy:
    """Put a version in force: it plans the surveys of resolutions from now on.

    Raises:
        NotFound: there is no such policy or version.
        Conflict: `version_retired`.
    """
    policy = await _lock(tx, policy_id, number)
    moved = domain.activate(policy, number, now=tx.now)
    await _save(tx, policy, moved)
    return moved


async def retire(tx: Transaction, policy_id: UUID, number: int) -> Policy:
    """Take a version out of force; surveys that it has planned go on under it.

    Raises:
        NotFound: there is no such policy or version.
    """
    policy = await _lock(tx, policy_id, number)
    moved = domain.retire(policy, number, now=tx.now)
    await _save(tx, policy, moved)
    return moved


async def get_policy(connection: AsyncConnection, policy_id: UUID) -> Policy:
    """One policy.

    Raises:
        NotFound: there is none of that id.
    """
    return await store.get_policy(connection, policy_id)


async def list_policies(connection: AsyncConnection) -> list[Policy]:
    """All policies, the oldest first."""
    return await store.list_policies(connection)


async def get_version(connection: AsyncConnection, policy_id: UUID, version: int) -> PolicyVersion:
    """One version, in force or not.

    Raises:
        NotFound: there is none of that number.
    """
    return await store.get_version(connection, policy_id, version)


async def list_active(connection: AsyncConnection) -> list[PolicyVersion]:
    """The versions in force, in the order in which they are asked."""
    return sorted(await store.list_active(connection), key=lambda each: (each.rules.priority, each.policy_id))


def choose_policies(active: Sequence[PolicyVersion], facts: Mapping[str, object]) -> list[PolicyVersion]:
    """Of each kind, the first that matches.

    Args:
        active: in the order in which they are asked.
    """
    chosen: dict[SurveyKind, PolicyVersion] = {}
    for each in active:
        if each.kind not in chosen and matches(each.rules.match, facts):
            chosen[each.kind] = each
    return list(chosen.values())


async def _lock(tx: Transaction, policy_id: UUID, number: int) -> Policy:
    policy = await store.get_policy(tx.connection, policy_id, lock=True)
    if number not in {each.version for each in policy.versions}:
        raise NotFound("there is no such version of a survey policy")
    return policy


async def _save(tx: Transaction, before: Policy, after: Policy) -> None:
    changed = [new for old, new in zip(before.versions, after.versions, strict=True) if old != new]
    await store.save_versions(tx.connection, changed)


def _check(rules: Rules) -> None:
    try:
        check_rule(rules.match, MATCH_FIELDS)
    except InvalidInput as unusable:
        within = [(f"/match{pointer}", fault) for pointer, fault in unusable.pointers]
        raise InvalidInput(unusable.detail, pointers=within) from unusable
