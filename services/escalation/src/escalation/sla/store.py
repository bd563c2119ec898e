"""All SQL of policies, revisions and clocks: set-based where the consumer needs it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from common.ids import new_id
from escalation.sla.domain import Clock, Policy, Revision
from escalation.sla.effects import Folded
from escalation.sla.tables import sla_clock, sla_policy, sla_revision
from escalation.sla.telling import Told

_POLICY_NAMES = ", ".join(column.name for column in sla_policy.columns)
_SAVE_POLICY = text(f"""
    insert into sla_policy ({_POLICY_NAMES})
    select {_POLICY_NAMES} from jsonb_populate_record(null::sla_policy, cast(:row as jsonb))
    on conflict (policy_id, version) do update set
    {", ".join(f"{column.name} = excluded.{column.name}" for column in sla_policy.columns)}
""")  # noqa: S608 - own names

# One writer of revisions at a time; readers are never held up.
_LOCK_REVISIONS = text("select pg_advisory_xact_lock(hashtextextended('escalation.sla_revision', 0))")
_NEWEST_REVISION = select(sla_revision).order_by(sla_revision.c.number.desc()).limit(1)

_ADD_TICKETS = text("""
    insert into sla_ticket (ticket_id, folded, generation)
    select ticket_id, '{}', 0 from unnest(cast(:ids as uuid[])) as ticket_id order by ticket_id
    on conflict do nothing
""")
_LOCK_TICKETS = text("""
    select ticket_id, folded, told_policy_id, told_policy_version, generation from sla_ticket
    where ticket_id = any(cast(:ids as uuid[])) order by ticket_id for update
""").columns(folded=JSONB)
_SAVE_TICKETS = text("""
    update sla_ticket t set folded = g.folded, told_policy_id = g.told_policy_id,
      told_policy_version = g.told_policy_version, generation = g.generation
    from jsonb_populate_recordset(null::sla_ticket, cast(:rows as jsonb)) as g where t.ticket_id = g.ticket_id
""")

_CLOCK_COLUMNS = tuple(column.name for column in sla_clock.columns)
_CLOCK_NAMES = ", ".join(_CLOCK_COLUMNS)
_SAVE_CLOCKS = text(f"""
    insert into sla_clock ({_CLOCK_NAMES})
    select {_CLOCK_NAMES} from jsonb_populate_recordset(null::sla_clock, cast(:rows as jsonb)) order by clock_id
    on conflict (clock_id) do update set
    {", ".join(f"{name} = excluded.{name}" for name in _CLOCK_COLUMNS if name not in {"clock_id", "ticket_id"})}
""")  # noqa: S608 - own names


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a ticket beside its clocks: the fold, and the policy that was told of last."""

    ticket_id: UUID
    folded: Folded
    told_policy_id: UUID | None = None
    told_policy_version: int | None = None
    generation: int = 0


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A clock with what was told of it."""

    clock: Clock
    told: Told


async def save_policy(connection: AsyncConnection, policy: Policy) -> None:
    """Insert or replace a version."""
    await connection.execute(_SAVE_POLICY, {"row": msgspec.json.encode(policy).decode()})


async def get_policy(connection: AsyncConnection, policy_id: UUID, version: int, *, lock: bool = False) -> Policy:
    """One version of a policy, locked where asked.

    Raises:
        NotFound: there is none of that id and number.
    """
    statement = select(sla_policy).where(sla_policy.c.policy_id == policy_id, sla_policy.c.version == version)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).mappings().first()
    if row is None:
        raise NotFound("there is no such version of a policy")
    return msgspec.convert(_values(row), Policy)


async def list_policy_versions(connection: AsyncConnection, policy_id: UUID | None = None) -> list[Policy]:
    """All versions of one policy, or of all, newest first."""
    statement = select(sla_policy).order_by(sla_policy.c.policy_id, sla_policy.c.version.desc())
    if policy_id is not None:
        statement = statement.where(sla_policy.c.policy_id == policy_id)
    found = await connection.execute(statement)
    return msgspec.convert([_values(row) for row in found.mappings()], list[Policy])


async def list_policies(connection: AsyncConnection, versions: Collection[tuple[UUID, int]]) -> list[Policy]:
    """Those of the given versions that exist."""
    key = tuple_(sla_policy.c.policy_id, sla_policy.c.version)
    found = await connection.execute(select(sla_policy).where(key.in_(list(versions))))
    return msgspec.convert([_values(row) for row in found.mappings()], list[Policy])


async def list_revision_ids(connection: AsyncConnection) -> tuple[UUID, ...]:
    """All revisions by number."""
    return tuple(await connection.scalars(select(sla_revision.c.revision_id).order_by(sla_revision.c.number)))


async def list_revisions(connection: AsyncConnection) -> list[Revision]:
    """All revisions by number."""
    found = await connection.execute(select(sla_revision).order_by(sla_revision.c.number))
    return [_revision(row) for row in found.mappings()]


async def lock_revision(connection: AsyncConnection) -> Revision:
    """The newest revision; nobody else adds one until the transaction ends."""
    await connection.execute(_LOCK_REVISIONS)
    return await newest_revision(connection)


async def newest_revision(connection: AsyncConnection) -> Revision:
    """The newest revision: there is always one, for the first migration made it."""
    return _revision((await connection.execute(_NEWEST_REVISION)).mappings().one())


async def add_revision(connection: AsyncConnection, revision: Revision) -> None:
    """Insert the next revision. Lock first."""
    values = msgspec.to_builtins(revision, builtin_types=(datetime,)) | {"revision_id": new_id()}
    await connection.execute(sla_revision.insert().values(values))


async def lock_standings(connection: AsyncConnection, ids: Sequence[UUID], *, add: bool = False) -> list[Standing]:
    """What is kept of these tickets, locked in the order of their ids; with `add` also of those not seen before."""
    if add:
        await connection.execute(_ADD_TICKETS, {"ids": list(ids)})
    found = await connection.execute(_LOCK_TICKETS, {"ids": list(ids)})
    return msgspec.convert([_values(row) for row in found.mappings()], list[Standing])


async def save_standings(connection: AsyncConnection, standings: Iterable[Standing]) -> None:
    """Replace what is kept of locked tickets, in one statement."""
    await connection.execute(_SAVE_TICKETS, {"rows": msgspec.json.encode(list(standings)).decode()})


async def list_clocks(
    connection: AsyncConnection, ids: Sequence[UUID], *, moving: bool = False
) -> dict[UUID, dict[UUID, Kept]]:
    """The clocks of these tickets by ticket and id, with `moving` only those that may return; {} for an unknown one."""
    statement = select(sla_clock).where(sla_clock.c.ticket_id.in_(list(ids)))
    if moving:
        statement = statement.where(sla_clock.c.may_return)
    kept: dict[UUID, dict[UUID, Kept]] = {ticket_id: {} for ticket_id in ids}
    for row in (await connection.execute(statement)).mappings():
        found = _kept(row)
        kept[found.clock.ticket_id][found.clock.clock_id] = found
    return kept


async def list_named(connection: AsyncConnection, clock_ids: Collection[UUID]) -> list[Kept]:
    """Those of the given clocks that exist."""
    found = await connection.execute(select(sla_clock).where(sla_clock.c.clock_id.in_(list(clock_ids))))
    return [_kept(row) for row in found.mappings()]


async def save_clocks(connection: AsyncConnection, kept: Iterable[Kept]) -> None:
    """Insert or replace clocks, in one statement."""
    rows: list[Mapping[str, object]] = []
    for each in kept:
        row: dict[str, object] = msgspec.structs.asdict(each.clock)
        rows.append(row | {"told": each.told, "may_return": each.clock.may_return})
    await connection.execute(_SAVE_CLOCKS, {"rows": msgspec.json.encode(rows).decode()})


def _kept(row: RowMapping) -> Kept:
    values = _values(row)
    told = msgspec.convert(values.pop("told"), Told)
    return Kept(clock=msgspec.convert(values, Clock), told=told)


def _revision(row: RowMapping) -> Revision:
    return msgspec.convert(_values(row), Revision)


def _values(row: RowMapping) -> dict[str, Any]:
    """The row by plain names: SQLAlchemy's own are a kind of text that is no key for msgspec."""
    return {str(name): value for name, value in row.items()}
