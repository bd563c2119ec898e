"""All SQL of the figures: keeping facts and observations by the batch, and computing figures from observations."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from feedback.figures.domain import NOTHING, Figure, Observation, Selection, Slice
from feedback.figures.facts import Facts
from feedback.figures.tables import observation as observation_table

_NAMES = ", ".join(column.name for column in observation_table.columns)
_MOVED = ", ".join(
    f"{column.name} = excluded.{column.name}" for column in observation_table.columns if not column.primary_key
)
_IDENTITY = ", ".join(column.name for column in observation_table.primary_key)

# ruff: noqa: S608 - the names above and below come from the tables, never from outside

# Two topics may tell of a new ticket at the same time: whoever comes second waits here, and then sees the other's row.
_OPEN = text("""
    insert into ticket_facts (ticket_id, facts, rule_version)
    select id, '{}', :rule_version from unnest(cast(:ids as uuid[])) as given(id) order by id
    on conflict (ticket_id) do nothing
""")
_LOCK = text("""
    select ticket_id, facts::text as facts, rule_version from ticket_facts
     where ticket_id = any(cast(:ids as uuid[])) order by ticket_id for update
""")
_SAVE_FACTS = text("""
    update ticket_facts f set facts = given.facts, rule_version = :rule_version
      from jsonb_to_recordset(cast(:rows as jsonb)) as given(ticket_id uuid, facts jsonb)
     where f.ticket_id = given.ticket_id
""")
_OUTDATED = text("""
    select ticket_id from ticket_facts where rule_version < :rule_version order by rule_version, ticket_id limit :limit
""")
_SAVE = text(f"""
    insert into observation ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::observation, cast(:rows as jsonb)) order by {_IDENTITY}
    on conflict ({_IDENTITY}) do update set {_MOVED}
""")
_DELETE = text("""
    delete from observation where (ticket_id, definition, key) in (
      select * from unnest(cast(:ids as uuid[]), cast(:definitions as text[]), cast(:keys as text[]))
    )
""")
_CLEAR = text("delete from observation where ticket_id = any(cast(:ids as uuid[]))")

_COLUMNS: Mapping[Slice, tuple[str, str]] = {
    Slice.QUEUE: ("queue_id", "uuid"),
    Slice.TIER: ("tier", "smallint"),
    Slice.CATEGORY: ("category", "text"),
    Slice.PRIORITY: ("priority", "text"),
    Slice.AGENT: ("agent_id", "uuid"),
    Slice.CLOCK: ("clock", "text"),
}
"""By slice: the column and its type."""

_SUMS = """
    coalesce(sum(parts) filter (where numerator), 0)::bigint as numerator,
    coalesce(sum(parts) filter (where denominator), 0)::bigint as denominator,
    coalesce(sum(parts) filter (where not numerator and not denominator), 0)::bigint as apart,
    sum(microseconds)::bigint as total_us,
    percentile_disc(0.5) within group (order by microseconds) as p50_us,
    percentile_disc(0.9) within group (order by microseconds) as p90_us
"""

_decode = msgspec.json.Decoder(Facts).decode


async def lock_facts(
    connection: AsyncConnection, ticket_ids: Sequence[UUID], *, rule_version: int
) -> dict[UUID, tuple[Facts, int]]:
    """The facts of these tickets, empty ones of those that were not known, each with the rule that observed it.

    Holds their rows until the transaction ends. Locks in the order of ids.
    """
    ordered = {"ids": sorted(ticket_ids)}
    await connection.execute(_OPEN, {**ordered, "rule_version": rule_version})
    rows = await connection.execute(_LOCK, ordered)
    return {row.ticket_id: (_decode(row.facts), row.rule_version) for row in rows}


async def save_facts(connection: AsyncConnection, facts: Mapping[UUID, Facts], *, rule_version: int) -> None:
    """Replace the facts of tickets whose rows are locked."""
    rows = [{"ticket_id": ticket_id, "facts": each} for ticket_id, each in facts.items()]
    await connection.execute(_SAVE_FACTS, {"rows": msgspec.json.encode(rows).decode(), "rule_version": rule_version})


async def list_outdated(connection: AsyncConnection, *, rule_version: int, limit: int) -> list[UUID]:
    """Tickets that an older rule observed."""
    rows = await connection.execute(_OUTDATED, {"rule_version": rule_version, "limit": limit})
    return list(rows.scalars())


async def save_observations(connection: AsyncConnection, observations: Sequence[Observation]) -> None:
    """Insert or replace, in one statement."""
    if observations:
        await connection.execute(_SAVE, {"rows": msgspec.json.encode(observations).decode()})


async def delete_observations(connection: AsyncConnection, gone: Iterable[tuple[UUID, str, str]]) -> None:
    """Remove those of these identities."""
    listed = list(gone)
    if listed:
        ids, definitions, keys = zip(*listed, strict=True)
        await connection.execute(_DELETE, {"ids": list(ids), "definitions": list(definitions), "keys": list(keys)})


async def clear_observations(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> None:
    """Remove all of these tickets, whatever rule made them."""
    if ticket_ids:
        await connection.execute(_CLEAR, {"ids": list(ticket_ids)})


async def compute(
    connection: AsyncConnection, definition: str, selection: Selection, *, by: Slice | None
) -> tuple[Figure, list[tuple[str | None, Figure]]]:
    """The figure, and each of its slices by its value in text, those without a value last."""
    where, values = _where(definition, selection)
    if by is None:
        rows = await connection.execute(text(f"select {_SUMS} from observation where {where}"), values)
        return _figure(rows.mappings().one()), []
    column, _ = _COLUMNS[by]
    rows = await connection.execute(
        text(f"""
            select {column}::text as value, grouping({column}) = 1 as whole, {_SUMS} from observation where {where}
             group by grouping sets ((), ({column})) order by whole, {column} nulls last
        """),
        values,
    )
    total, slices = NOTHING, list[tuple[str | None, Figure]]()
    for row in rows.mappings():
        if row["whole"]:
            total = _figure(row)
        else:
            slices.append((row["value"], _figure(row)))
    return total, slices


async def list_evidence(
    connection: AsyncConnection,
    definition: str,
    selection: Selection,
    *,
    after: tuple[datetime, UUID, str] | None,
    limit: int,
) -> list[Observation]:
    """What stands behind a figure, in the order of time, ticket and key.

    Args:
        after: the last one of the page before.
    """
    where, values = _where(definition, selection)
    if after is not None:
        where += " and (at, ticket_id, key) > (:after_at, cast(:after_ticket as uuid), :after_key)"
        values |= {"after_at": after[0], "after_ticket": after[1], "after_key": after[2]}
    rows = await connection.execute(
        text(f"select {_NAMES} from observation where {where} order by at, ticket_id, key limit :limit"),
        {**values, "limit": limit},
    )
    return [Observation(**row) for row in rows.mappings()]


def _where(definition: str, selection: Selection) -> tuple[str, dict[str, object]]:
    period = selection.period
    conditions = ["definition = :definition and at >= :since and at < :until"]
    values: dict[str, object] = {"definition": definition, "since": period.since, "until": period.until}
    for each, value in selection.only.items():
        column, kind = _COLUMNS[each]
        if value is None:
            conditions.append(f"{column} is null")
        else:
            conditions.append(f"{column} = cast(:{each} as {kind})")
            values[each] = value
    return " and ".join(conditions), values


def _figure(row: RowMapping) -> Figure:
    return Figure(
        numerator=row["numerator"],
        denominator=row["denominator"],
        apart=row["apart"],
        total_us=row["total_us"],
        p50_us=row["p50_us"],
        p90_us=row["p90_us"],
    )
