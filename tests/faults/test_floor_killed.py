"""The support floor plays on while the workers of all services are killed: nothing lost, nothing twice."""

import asyncio
import os
import random
from pathlib import Path

import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.floor import check_floor, play
from tests.support.servers import Servers
from tests.support.stack import SERVICES, Stack, running_stack

TICKETS = int(os.environ.get("FLOOR_TICKETS", "50"))
KILLS = 12


async def kill_workers(stack: Stack, chance: random.Random) -> None:
    """SIGKILL a worker each time intake has told so many more events, every service's at least twice."""
    workers = [f"{service}-worker" for service in SERVICES]
    killed = [*workers, *workers, *chance.choices(workers, k=KILLS - 2 * len(workers))]
    chance.shuffle(killed)
    for name, told in zip(killed, sorted(chance.sample(range(TICKETS, 9 * TICKETS), KILLS)), strict=True):
        await eventually(lambda told=told: has_told(stack, told), within=300.0)
        stack.processes[name].kill()


async def has_told(stack: Stack, events: int) -> bool:
    """Whether intake has committed so many events."""
    connection = await asyncpg.connect(stack.database_urls["intake"])
    try:
        told = await connection.fetchval("select count(*) from event")
    finally:
        await connection.close()
    assert told >= events, f"{told} of {events} events"
    return True


@pytest.mark.timeout(900)
async def test_a_floor_plays_on_while_workers_are_killed(servers: Servers, tmp_path: Path) -> None:
    seed = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails: FAULT_SEED repeats the run
    async with running_stack(servers, tmp_path) as stack:
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_workers(stack, random.Random(seed)))
            tally = await play(stack, tickets=TICKETS, seed=seed, rate=8.0, at_once=40)
            killing.cancel()
        await check_floor(stack, tally)
        assert sum(process.starts - 1 for process in stack.processes.values()) >= KILLS // 2
