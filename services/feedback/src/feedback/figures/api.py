"""Routes of the figures."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from common.web import (
    CurrentConnection,
    CurrentDatabase,
    Page,
    ReadRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
)
from feedback.figures import usecases
from feedback.figures.domain import DEFINITIONS, Selection, Slice, get_definition
from feedback.figures.schemas import (
    EvidenceQuery,
    EvidenceShown,
    FigureQuery,
    KpiShown,
    KpisShown,
    PeriodQuery,
    show_evidence,
    show_kpi,
)

READ = needs_scope("feedback:read")
Name = Annotated[str, Path(max_length=100, pattern=r"^[a-z_]+$", description="a figure's name, see GET /v1/kpis")]

reads = APIRouter(prefix="/v1", route_class=ReadRoute, tags=["figures"])


@reads.get("/kpis", dependencies=[READ])
async def list_kpis(
    connection: CurrentConnection, database: CurrentDatabase, query: Annotated[PeriodQuery, Query()]
) -> KpisShown:
    """Every figure over a period."""
    return await _show_all(connection, Selection(period=query.period(database.clock.now())))


@reads.get("/kpis/{definition}", dependencies=[READ])
async def get_kpi(
    definition: Name,
    connection: CurrentConnection,
    database: CurrentDatabase,
    query: Annotated[FigureQuery, Query()],
) -> KpiShown:
    """A figure over a period, cut by desk, tier, category, priority or agent where asked."""
    wanted = get_definition(definition)
    selection = query.selection(database.clock.now())
    total, slices = await usecases.compute(connection, wanted, selection, by=query.by)
    return show_kpi(wanted, selection.period, total, by=query.by, slices=slices)


@reads.get("/kpis/{definition}/evidence", dependencies=[READ])
async def list_kpi_evidence(
    definition: Name,
    connection: CurrentConnection,
    database: CurrentDatabase,
    query: Annotated[EvidenceQuery, Query()],
) -> Page[EvidenceShown]:
    """What stands behind a figure: each ticket that was counted, when, and where it counts."""
    found = await usecases.list_evidence(
        connection,
        get_definition(definition),
        query.selection(database.clock.now()),
        after=decode_cursor(query.cursor, datetime, UUID, str),
        limit=query.limit + 1,
    )
    items = found[: query.limit]
    more = len(found) > query.limit
    cursor = encode_cursor(items[-1].at, items[-1].ticket_id, items[-1].key) if more else None
    return Page(items=[show_evidence(each) for each in items], next_cursor=cursor)


@reads.get("/agents/{agent_id}/kpis", dependencies=[READ])
async def list_agent_kpis(
    agent_id: UUID,
    connection: CurrentConnection,
    database: CurrentDatabase,
    query: Annotated[PeriodQuery, Query()],
) -> KpisShown:
    """Every figure of one agent over a period; of an agent who did nothing, zeros."""
    period = query.period(database.clock.now())
    return await _show_all(connection, Selection(period=period, only={Slice.AGENT: agent_id}))


async def _show_all(connection: AsyncConnection, selection: Selection) -> KpisShown:
    shown: list[KpiShown] = []
    for definition in DEFINITIONS.values():
        total, _ = await usecases.compute(connection, definition, selection)
        shown.append(show_kpi(definition, selection.period, total))
    return KpisShown(items=shown)
