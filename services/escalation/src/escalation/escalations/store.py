"""All SQL of escalation policies and runs. Locks: the ticket's facts first, then its runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from escalation.escalations.domain import BY_HAND, Run, RunState
from escalation.escalations.policy import Policy, Version
from escalation.escalations.tables import escalation_policy_version, escalation_run

_RUN_COLUMNS = tuple(column.name for column in escalation_run.columns)
_RUN_NAMES = ", ".join(_RUN_COLUMNS)
_FIXED = frozenset({"run_id", "ticket_id", "policy_id", "policy_version", "trigger", "started_at"})
_RUN_MOVED = ", ".join(f"{name} = excluded.{name}" for name in _RUN_COLUMNS if name not in _FIXED)
_VERSION_COLUMNS = tuple(column.name for column in escalation_policy_version.columns)
_VERSION_NAMES = ", ".join(_VERSION_COLUMNS)
_LIVE = "state in ('running', 'acknowledged', 'held')"

_ONE_RUN = f"select {_RUN_NAMES} from escalation_run where run_id = :id"  # noqa: S608 - own names
_FIND_RUN = text(_ONE_RUN).columns(marks=JSONB)
_LOCK_RUN = text(f"{_ONE_RUN} for update").columns(marks=JSONB)
_LOCK_LIVE = text(f"""
    select {_RUN_NAMES} from escalation_run
    where ticket_id = any(cast(:ids as uuid[])) and {_LIVE} order by run_id for update
""").columns(marks=JSONB)  # noqa: S608 - own names
_SAVE_RUNS = text(f"""
    insert into escalation_run ({_RUN_NAMES})
    select {_RUN_NAMES} from jsonb_populate_recordset(null::escalation_run, cast(:rows as jsonb)) order by run_id
    on conflict (run_id) do update set {_RUN_MOVED}
""")  # noqa: S608 - own names
_LIST_RUNS = text(f"""
    select {_RUN_NAMES} from escalation_run
    where (cast(:ticket_id as uuid) is null or ticket_id = :ticket_id)
      and (cardinality(cast(:states as text[])) = 0 or state = any(cast(:states as text[])))
      and (cast(:before as uuid) is null or run_id < :before)
    order by run_id desc limit :limit
""").columns(marks=JSONB)  # noqa: S608 - own names

_LIST_OVER = text("""
    select policy_id, clock_id, max(ended_at) as ended_at from escalation_run
    where ticket_id = any(cast(:ids as uuid[])) and clock_id is not null
      and (state = 'exhausted' or (state = 'stopped' and end_reason = :by_hand))
    group by policy_id, clock_id
""")
_LIST_HELD = text("select run_id from escalation_run where state = 'held' order by run_id limit :limit")

_ADD_STEPS = text("""
    insert into escalation_step (run_id, round, step, action, targets, reached, fired_at)
    select run_id, round, step, action, targets, reached, fired_at
    from jsonb_populate_recordset(null::escalation_step, cast(:rows as jsonb))
""")
_LIST_STEPS = text("""
    select run_id, round, step, action, targets, reached, fired_at from escalation_step
    where run_id = any(cast(:ids as uuid[])) order by run_id, round, fired_at, step
""")

_FIND_LEVEL = text("select level, tier_required from escalation_level where ticket_id = :id")
_SAVE_LEVEL = text("""
    insert into escalation_level (ticket_id, level, tier_required) values (:id, :level, :tier)
    on conflict (ticket_id) do update set level = excluded.level, tier_required = excluded.tier_required
""")

_ACTIVE = text(f"""
    select {", ".join(f"v.{name}" for name in _VERSION_COLUMNS)}
    from escalation_policy_version v join escalation_policy p using (policy_id)
    where v.state = 'active' order by p.priority, p.policy_id
""").columns(match=JSONB, steps=JSONB)  # noqa: S608 - own names
_VERSIONS = text(f"""
    select {_VERSION_NAMES} from escalation_policy_version
    where policy_id = any(cast(:ids as uuid[])) order by policy_id, version
""").columns(match=JSONB, steps=JSONB)  # noqa: S608 - own names
_ONE_VERSION = text(f"""
    select {_VERSION_NAMES} from escalation_policy_version where policy_id = :id and version = :version
""").columns(match=JSONB, steps=JSONB)  # noqa: S608 - own names
_POLICIES = text("""
    select policy_id, name, priority, created_at, version from escalation_policy order by priority, policy_id
""")
_LOCK_POLICY = text("""
    select policy_id, name, priority, created_at, version from escalation_policy where policy_id = :id for update
""")
_FIND_POLICY = text("""
    select policy_id, name, priority, created_at, version from escalation_policy where policy_id = :id
""")
_ADD_POLICY = text("""
    insert into escalation_policy (policy_id, name, priority, created_at, version)
    values (:policy_id, :name, :priority, :created_at, :version) on conflict (name) do nothing returning 1
""")
_ADD_VERSION = text(f"""
    insert into escalation_policy_version ({_VERSION_NAMES})
    select {_VERSION_NAMES} from jsonb_populate_recordset(null::escalation_policy_version, cast(:rows as jsonb))
""")  # noqa: S608 - own names
_MOVE_VERSION = text("""
    update escalation_policy_version set state = :state, activated_at = :activated_at, retired_at = :retired_at
    where policy_id = :policy_id and version = :version
""")
_COUNT_COMMAND = text("update escalation_policy set version = version + 1 where policy_id = :id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A step that was taken, and which agents it reached."""

    run_id: UUID
    round: int
    step: int
    action: str
    targets: tuple[str, ...]
    reached: tuple[UUID, ...]
    fired_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """How high a ticket was escalated: `level` counts the raises, from 0."""

    level: int = 0
    tier_required: int = 0


async def find_run(connection: AsyncConnection, run_id: UUID) -> Run | None:
    """One run as committed."""
    row = (await connection.execute(_FIND_RUN, {"id": run_id})).mappings().one_or_none()
    return _run(row) if row else None


async def get_run(connection: AsyncConnection, run_id: UUID) -> Run:
    """One run as committed.

    Raises:
        NotFound: there is none of that id.
    """
    run = await find_run(connection, run_id)
    if run is None:
        raise NotFound("there is no such escalation")
    return run


async def lock_run(connection: AsyncConnection, run_id: UUID) -> Run:
    """One run, locked until the transaction ends. Lock its ticket before.

    Raises:
        NotFound: there is none of that id.
    """
    row = (await connection.execute(_LOCK_RUN, {"id": run_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such escalation")
    return _run(row)


async def lock_live(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> list[Run]:
    """The runs of these tickets that go on, locked by id. Lock the tickets before."""
    return [_run(row) for row in (await connection.execute(_LOCK_LIVE, {"ids": list(ticket_ids)})).mappings()]


async def save_runs(connection: AsyncConnection, runs: Iterable[Run]) -> None:
    """Insert or replace, in one statement."""
    await connection.execute(_SAVE_RUNS, {"rows": msgspec.json.encode([_row(run) for run in runs]).decode()})


async def list_over(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID], datetime]:
    """The policies and clocks of these tickets of which a run was exhausted, or stopped by a person: when it ended."""
    found = await connection.execute(_LIST_OVER, {"ids": list(ticket_ids), "by_hand": BY_HAND})
    return {(row.policy_id, row.clock_id): row.ended_at for row in found}


async def list_held(connection: AsyncConnection, *, limit: int) -> Sequence[UUID]:
    """The runs that owe a step because nobody could be reached, the oldest first."""
    return list(await connection.scalars(_LIST_HELD, {"limit": limit}))


async def list_runs(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    states: Sequence[RunState],
    before: UUID | None,
    limit: int,
) -> list[Run]:
    """A page of runs that fit every filter given, the latest first."""
    values = {
        "ticket_id": ticket_id,
        "states": [state.value for state in states],
        "before": before,
        "limit": limit,
    }
    return [_run(row) for row in (await connection.execute(_LIST_RUNS, values)).mappings()]


async def add_steps(connection: AsyncConnection, steps: Sequence[Taken]) -> None:
    """Keep steps that were taken."""
    if steps:
        await connection.execute(_ADD_STEPS, {"rows": msgspec.json.encode(steps).decode()})


async def list_steps(connection: AsyncConnection, run_ids: Sequence[UUID]) -> dict[UUID, list[Taken]]:
    """What these runs did, in order; a run that did nothing is absent."""
    found: dict[UUID, list[Taken]] = {}
    for row in (await connection.execute(_LIST_STEPS, {"ids": list(run_ids)})).mappings():
        taken = msgspec.convert(dict(row), Taken)
        found.setdefault(taken.run_id, []).append(taken)
    return found


async def find_level(connection: AsyncConnection, ticket_id: UUID) -> Level:
    """The ticket's level; 0 where it was never raised. The ticket's lock guards it."""
    row = (await connection.execute(_FIND_LEVEL, {"id": ticket_id})).one_or_none()
    return Level(level=row.level, tier_required=row.tier_required) if row else Level()


async def save_level(connection: AsyncConnection, ticket_id: UUID, level: Level) -> None:
    """Insert or replace."""
    values = {"id": ticket_id, "level": level.level, "tier": level.tier_required}
    await connection.execute(_SAVE_LEVEL, values)


async def list_active(connection: AsyncConnection) -> list[Version]:
    """The active versions in the order in which they are asked."""
    return [_version(row) for row in (await connection.execute(_ACTIVE)).mappings()]


async def list_policies(connection: AsyncConnection) -> list[Policy]:
    """All policies in their order, with all versions."""
    policies = [dict(row) for row in (await connection.execute(_POLICIES)).mappings()]
    versions = await _versions(connection, [policy["policy_id"] for policy in policies])
    return [Policy(**policy, versions=tuple(versions.get(policy["policy_id"], ()))) for policy in policies]


async def get_policy(connection: AsyncConnection, policy_id: UUID, *, lock: bool = False) -> Policy:
    """One policy with all its versions.

    Raises:
        NotFound: there is none of that id.
    """
    row = (await connection.execute(_LOCK_POLICY if lock else _FIND_POLICY, {"id": policy_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such escalation policy")
    versions = await _versions(connection, [policy_id])
    return Policy(**dict(row), versions=tuple(versions.get(policy_id, ())))


async def get_version(connection: AsyncConnection, policy_id: UUID, version: int) -> Version:
    """One version of a policy.

    Raises:
        NotFound: there is none.
    """
    found = await connection.execute(_ONE_VERSION, {"id": policy_id, "version": version})
    row = found.mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such version of the escalation policy")
    return _version(row)


async def add_policy(connection: AsyncConnection, policy: Policy) -> bool:
    """Insert a policy without its versions; False where another one has its name."""
    values = {
        "policy_id": policy.policy_id,
        "name": policy.name,
        "priority": policy.priority,
        "created_at": policy.created_at,
        "version": policy.version,
    }
    return (await connection.execute(_ADD_POLICY, values)).one_or_none() is not None


async def add_version(connection: AsyncConnection, version: Version) -> None:
    """Insert a version."""
    await connection.execute(_ADD_VERSION, {"rows": msgspec.json.encode([version]).decode()})


async def move_version(connection: AsyncConnection, version: Version) -> None:
    """Save a version's state; nothing else of it ever changes."""
    values = {
        "policy_id": version.policy_id,
        "version": version.version,
        "state": version.state.value,
        "activated_at": version.activated_at,
        "retired_at": version.retired_at,
    }
    await connection.execute(_MOVE_VERSION, values)


async def count_command(connection: AsyncConnection, policy_id: UUID) -> None:
    """Raise the policy's own version."""
    await connection.execute(_COUNT_COMMAND, {"id": policy_id})


async def _versions(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Version]]:
    found: dict[UUID, list[Version]] = {}
    for row in (await connection.execute(_VERSIONS, {"ids": list(ids)})).mappings():
        version = _version(row)
        found.setdefault(version.policy_id, []).append(version)
    return found


def _version(row: RowMapping) -> Version:
    return msgspec.convert(dict(row), Version)


def _run(row: RowMapping) -> Run:
    return msgspec.convert(dict(row), Run, strict=False)


def _row(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in _RUN_COLUMNS}
