"""Feedback's worker dies again and again while it reads: every figure is still what the topics say."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from common.ids import new_id
from tests.support.eventually import eventually
from tests.support.figures import figures_settle
from tests.support.servers import Servers
from tests.support.stack import running_stack
from tests.support.stories import BEGIN, END, Teller, as_events, chance, publish_streams

TICKETS = 600
KILLS = 5
# What feedback says itself comes from the worker under test.
TOLD = ("intake", "routing", "escalation")


@pytest.mark.timeout(300)
async def test_a_worker_that_dies_while_it_reads_loses_and_doubles_nothing(servers: Servers, tmp_path: Path) -> None:
    teller = Teller(choice=chance(5))
    told = [as_events(teller.tell(ticket_id), ticket_id) for ticket_id in (new_id() for _ in range(TICKETS))]
    expected = sum(len(each[service]) for each in told for service in TOLD)
    async with running_stack(servers, tmp_path, services=("feedback",)) as stack:
        worker = stack.processes["feedback-worker"]
        database = await asyncpg.connect(stack.database_urls["feedback"])

        async def has_read(least: int) -> bool:
            query = "select coalesce(sum(last_seq), 0) from subject_cursor where source <> 'feedback'"
            assert await database.fetchval(query) >= least, stack.logs()
            return True

        try:
            async with asyncio.TaskGroup() as publishing:
                for service in TOLD:
                    streams = [each[service] for each in told]
                    publishing.create_task(
                        publish_streams(servers.kafka_bootstrap, stack.topics[service], streams, seed=3)
                    )
                for kill in range(1, KILLS + 1):
                    least = expected * kill // (KILLS + 1)
                    await eventually(lambda least=least: has_read(least), within=60)
                    worker.kill()
            await eventually(lambda: has_read(expected), within=60)
            assert await database.fetchval("select count(*) from parked_subject") == 0
        finally:
            await database.close()
        assert worker.starts > KILLS
        totals = await figures_settle(stack, since=BEGIN - timedelta(days=1), until=END)
    assert totals["resolution_rate"]["denominator"] == TICKETS
