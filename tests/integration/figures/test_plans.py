"""How PostgreSQL reads the observations of many tickets: what is asked for, and not everything."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from feedback.figures import store
from feedback.figures.domain import WHOLE, Period, Selection, Slice
from tests.integration.figures.conftest import Figures
from tests.support.stories import BEGIN

TICKETS = 20_000
AGENTS = 100
_FILL = """
    insert into observation (
      ticket_id, definition, key, at, numerator, denominator, parts, microseconds, clock, queue_id, tier, category,
      priority, agent_id
    )
    select lpad(to_hex(n), 32, '0')::uuid, definition, '', cast(:since as timestamptz) + make_interval(mins => n),
           n % 3 = 0, true, 1000000, n, '', null, 1 + n % 3, '', 'low', lpad(to_hex(n % :agents), 32, '0')::uuid
      from generate_series(1, :tickets) as n, unnest(cast(:definitions as text[])) as definition
"""


# What this transaction has scanned so far; of a table it counts sequential scans.
_SCANS = text("""
    select name, pg_stat_get_xact_numscans(cast(name as regclass)) as scans
      from unnest(array['observation', 'observation_period', 'observation_agent']) as name
""")


async def test_a_day_and_a_page_are_read_by_the_period(figures: Figures) -> None:
    await _fill(figures)
    selection = Selection(period=Period(since=BEGIN + timedelta(days=3), until=BEGIN + timedelta(days=4)))
    async with figures.database.read() as connection:
        total, _ = await store.compute(connection, "csat", selection, by=Slice.AGENT)
        page = await store.list_evidence(connection, "csat", selection, after=None, limit=50)
        last = page[-1]
        after = (last.at, last.ticket_id, last.key)
        await store.list_evidence(connection, "csat", selection, after=after, limit=50)
        assert await _scans(connection) == {"observation": 0, "observation_period": 3, "observation_agent": 0}
    assert (total.denominator, len(page)) == (24 * 60 * WHOLE, 50)


async def test_an_agents_figures_are_read_by_the_agent(figures: Figures) -> None:
    await _fill(figures)
    period = Period(since=BEGIN, until=BEGIN + timedelta(days=30))
    async with figures.database.read() as connection:
        selection = Selection(period=period, only={Slice.AGENT: UUID(int=7)})
        total, _ = await store.compute(connection, "csat", selection, by=None)
        assert await _scans(connection) == {"observation": 0, "observation_period": 0, "observation_agent": 1}
    assert total.denominator == TICKETS // AGENTS * WHOLE


async def _fill(figures: Figures) -> None:
    await figures.sql(_FILL, since=BEGIN, agents=AGENTS, tickets=TICKETS, definitions=["csat", "answer_rate"])
    await figures.sql("analyze observation")


async def _scans(connection: AsyncConnection) -> dict[str, int]:
    return {row.name: row.scans for row in await connection.execute(_SCANS)}
