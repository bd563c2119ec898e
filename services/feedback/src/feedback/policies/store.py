"""All SQL of survey policies."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import Conflict, NotFound
from feedback.policies.domain import Policy, PolicyVersion, Rules, SurveyKind, VersionState
from feedback.policies.tables import survey_policy, survey_policy_version

_VERSIONS = select(survey_policy.c.kind, survey_policy_version).join_from(survey_policy, survey_policy_version)

# Retired versions are written first, so that the index of the one active version never meets two.
_SAVE_VERSION = text("""
    insert into survey_policy_version (policy_id, version, state, rules, created_at, activated_at, retired_at)
    values (:policy_id, :version, :state, cast(:rules as jsonb), :created_at, :activated_at, :retired_at)
    on conflict (policy_id, version) do update
    set state = excluded.state, activated_at = excluded.activated_at, retired_at = excluded.retired_at
""")


async def list_policies(connection: AsyncConnection) -> list[Policy]:
    """All policies, the oldest first."""
    order = (survey_policy_version.c.policy_id, survey_policy_version.c.version)
    versions = [_version(row) for row in await connection.execute(_VERSIONS.order_by(*order))]
    policies = select(survey_policy).order_by(survey_policy.c.created_at, survey_policy.c.policy_id)
    return [_policy(row, versions) for row in await connection.execute(policies)]


async def get_policy(connection: AsyncConnection, policy_id: UUID, *, lock: bool = False) -> Policy:
    """One policy, locked where asked.

    Raises:
        NotFound: there is none of that id.
    """
    statement = select(survey_policy).where(survey_policy.c.policy_id == policy_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound("there is no such survey policy")
    versions = _VERSIONS.where(survey_policy_version.c.policy_id == policy_id)
    found = await connection.execute(versions.order_by(survey_policy_version.c.version))
    return _policy(row, [_version(each) for each in found])


async def list_active(connection: AsyncConnection) -> list[PolicyVersion]:
    """The versions in force."""
    found = await connection.execute(_VERSIONS.where(survey_policy_version.c.state == VersionState.ACTIVE))
    return [_version(row) for row in found]


async def get_version(connection: AsyncConnection, policy_id: UUID, version: int) -> PolicyVersion:
    """One version, in force or not.

    Raises:
        NotFound: there is none of that number.
    """
    found = await connection.execute(
        _VERSIONS.where(survey_policy_version.c.policy_id == policy_id, survey_policy_version.c.version == version)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("there is no such version of a survey policy")
    return _version(row)


async def add_policy(connection: AsyncConnection, policy: Policy) -> None:
    """Insert a policy with its versions.

    Raises:
        Conflict: `policy_exists`.
    """
    values = {
        "policy_id": policy.policy_id,
        "name": policy.name,
        "kind": policy.kind,
        "created_at": policy.created_at,
    }
    try:
        async with connection.begin_nested():
            await connection.execute(survey_policy.insert().values(values))
    except IntegrityError as taken:
        raise Conflict("there is a survey policy of this name", code="policy_exists") from taken
    await save_versions(connection, policy.versions)


async def save_versions(connection: AsyncConnection, versions: Sequence[PolicyVersion]) -> None:
    """Insert versions, or write their states; their rules never change."""
    for each in sorted(versions, key=lambda version: version.state is VersionState.ACTIVE):
        values = {
            "policy_id": each.policy_id,
            "version": each.version,
            "state": each.state,
            "rules": msgspec.json.encode(each.rules).decode(),
            "created_at": each.created_at,
            "activated_at": each.activated_at,
            "retired_at": each.retired_at,
        }
        await connection.execute(_SAVE_VERSION, values)


def _policy(row: Row[Any], versions: Sequence[PolicyVersion]) -> Policy:
    return Policy(
        policy_id=row.policy_id,
        name=row.name,
        kind=SurveyKind(row.kind),
        created_at=row.created_at,
        versions=tuple(each for each in versions if each.policy_id == row.policy_id),
    )


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        policy_id=row.policy_id,
        version=row.version,
        kind=SurveyKind(row.kind),
        state=VersionState(row.state),
        rules=msgspec.convert(row.rules, Rules),
        created_at=row.created_at,
        activated_at=row.activated_at,
        retired_at=row.retired_at,
    )
