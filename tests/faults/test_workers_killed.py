"""A thousand tickets at once while worker processes die at random: each owned once, nothing lost, nothing twice."""

import asyncio
import random
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from contracts.envelope import Event
from tests.support.directory import new_ticket, open_directory
from tests.support.eventually import eventually
from tests.support.fold import TicketState, as_shown, fold
from tests.support.seeds import draw_seed
from tests.support.servers import Servers
from tests.support.stack import Stack, running_stack
from tests.support.topics import first_appearances, read_topic

TICKETS = 1000
CONCURRENT = 32
AGENTS = 50
KILLS = 8
SETTLE_S = 120.0
WORKERS = ("intake-worker", "routing-worker")

Subjects = dict[str, list[Event]]


async def open_all(stack: Stack) -> list[str]:
    """Open every ticket; a call that broke is repeated with its key, as the contract asks of callers."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def open_one(client: httpx.AsyncClient, number: int) -> str:
        async with gate:

            async def accepted() -> str:
                try:
                    answer = await client.post(
                        "/v1/tickets", headers={"Idempotency-Key": f"load-{number}"}, json=new_ticket(number)
                    )
                except httpx.TransportError as broken:
                    raise AssertionError(f"no answer: {broken!r}") from broken
                assert answer.status_code == 201, answer.text
                return str(answer.json()["id"])

            return await eventually(accepted, within=60.0)

    async with stack.client("intake") as client:
        return list(await asyncio.gather(*(open_one(client, number) for number in range(TICKETS))))


async def kill_workers(stack: Stack, chance: random.Random) -> list[str]:
    """SIGKILL one worker each time so many more tickets are owned; returns who was killed, in order."""
    killed = [*WORKERS, *chance.choices(WORKERS, k=KILLS - len(WORKERS))]
    chance.shuffle(killed)
    for name, owned in zip(killed, sorted(chance.sample(range(1, TICKETS), KILLS)), strict=True):
        await eventually(lambda owned=owned: are_owned(stack, owned), within=SETTLE_S)
        stack.processes[name].kill()
    return killed


async def are_owned(stack: Stack, wanted: int) -> bool:
    connection = await asyncpg.connect(stack.database_urls["intake"])
    try:
        owned = await connection.fetchval("select count(*) from ticket where owner_id is not null")
    finally:
        await connection.close()
    assert owned >= wanted, f"{owned} are owned, {wanted} are to be\n{stack.logs()}"
    return True


async def outbox_empty(stack: Stack) -> bool:
    for url in stack.database_urls.values():
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("select count(*) from outbox") == 0
        finally:
            await connection.close()
    return True


@pytest.mark.timeout(400)
async def test_a_thousand_tickets_while_workers_are_killed(servers: Servers, tmp_path: Path) -> None:
    seed = draw_seed()
    async with running_stack(servers, tmp_path) as stack:
        # Each ticket weighs 2, so every agent has room for all that could come to it.
        agents = await open_directory(stack, agents=AGENTS, max_weight=1000)
        async with asyncio.TaskGroup() as group:
            group.create_task(kill_workers(stack, random.Random(seed)))
            opened = await open_all(stack)
        await eventually(lambda: are_owned(stack, TICKETS), within=SETTLE_S)
        await eventually(lambda: outbox_empty(stack), within=30.0)
        await check_everything(stack, opened, agents)


async def check_everything(stack: Stack, opened: list[str], agents: list[str]) -> None:
    """Topics without gaps, each ticket owned exactly once, both services' tables equal to a fold over the topics."""
    assert len(set(opened)) == TICKETS
    told = await eventually(partial(shown_as_told, stack), within=SETTLE_S)
    assert told.keys() == set(opened)
    assert {(state.assigned, state.unassigned) for state in told.values()} == {(1, 0)}
    assert {state.owner_id for state in told.values()} <= set(agents)
    assert await routing_state(stack) == {ticket: state.owner_id for ticket, state in told.items()}
    await check_cursors(stack)


async def subjects_of(stack: Stack, service: str) -> Subjects:
    return first_appearances(await read_topic(stack.servers.kafka_bootstrap, stack.topics[service]))


async def shown_as_told(stack: Stack) -> dict[str, TicketState]:
    """Once the clocks have been told and shown, intake shows of every ticket what the topics say."""
    told = fold(*[await subjects_of(stack, service) for service in ("intake", "routing", "escalation")])
    assert await intake_state(stack) == {ticket: state.shown() for ticket, state in told.items()}
    return told


async def intake_state(stack: Stack) -> dict[str, dict[str, Any]]:
    """What `GET /v1/tickets` shows of every ticket, page by page."""
    shown: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    async with stack.client("intake") as client:
        while True:
            params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/tickets", params=params)).json()
            for one in page["items"]:
                assert one["id"] not in shown, "a page repeats a ticket"
                shown[one["id"]] = as_shown(one)
            cursor = page["next_cursor"]
            if not cursor:
                return shown


async def routing_state(stack: Stack) -> dict[str, str]:
    """Every running assignment in routing's tables; its loads must be their sums."""
    connection = await asyncpg.connect(stack.database_urls["routing"])
    try:
        rows = await connection.fetch("select ticket_id, agent_id, quarters from assignment where ended_at is null")
        loads = await connection.fetch("select agent_id, load_quarters from agent")
    finally:
        await connection.close()
    carried: Counter[str] = Counter()
    for row in rows:
        carried[str(row["agent_id"])] += row["quarters"]
    assert {str(row["agent_id"]): row["load_quarters"] for row in loads if row["load_quarters"]} == dict(carried)
    assert len({row["ticket_id"] for row in rows}) == len(rows)
    return {str(row["ticket_id"]): str(row["agent_id"]) for row in rows}


async def check_cursors(stack: Stack) -> None:
    """Each consumer has seen the last number of every subject, and nothing is parked."""
    told_by = {service: await subjects_of(stack, service) for service in ("intake", "routing", "escalation")}
    for service, source in (("routing", "intake"), ("intake", "routing"), ("intake", "escalation")):
        last = {subject: len(told) for subject, told in told_by[source].items()}
        await eventually(partial(has_seen, stack.database_urls[service], source, last), within=30.0)


async def has_seen(url: str, source: str, last: dict[str, int]) -> bool:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select subject, last_seq from subject_cursor where source = $1", source)
        assert {row["subject"]: row["last_seq"] for row in rows} == last
        assert await connection.fetchval("select count(*) from parked_subject") == 0
        assert await connection.fetchval("select count(*) from poison_record") == 0
    finally:
        await connection.close()
    return True
