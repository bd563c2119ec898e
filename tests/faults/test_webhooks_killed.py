"""Intake's worker is killed while posts are under way: each is repeated with its id, in order, and none is lost."""

import asyncio
import base64
import random
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from tests.support.directory import new_ticket
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.seeds import draw_seed
from tests.support.servers import Servers
from tests.support.serving import serving
from tests.support.stack import Stack, running_stack

TICKETS = 8
TAGS = 5
KILLS = 2
WAIT_S = 60.0
"""A worker loads its modules in that time, on a machine that does much else besides."""
WORKER = "intake-worker"


class Gate(Peer):
    """A receiver that can be shut: then posts come in, and are not answered until it is opened."""

    def shut(self) -> None:
        """Answer nothing from now on."""
        self.hold = asyncio.Event()

    def open(self) -> None:
        """Answer all that came, and what will come."""
        assert self.hold is not None
        self.hold.set()
        self.hold = None

    def told(self) -> list[tuple[str, str, int]]:
        """(webhook-id, subject, number) of each post, in the order of their coming."""
        bodies = [msgspec.json.decode(seen.body) for seen in self.seen]
        return [
            (seen.headers["webhook-id"], body["subject"], body["subjectseq"])
            for seen, body in zip(self.seen, bodies, strict=True)
        ]


async def sql(stack: Stack, statement: str, *values: object) -> list[Any]:
    """Run a statement in intake's database."""
    connection = await asyncpg.connect(stack.database_urls["intake"])
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def open_and_tag(client: httpx.AsyncClient, number: int) -> None:
    """Open a ticket and let it change some times."""
    headers = {"Idempotency-Key": f"load-{number}"}
    ticket = (await client.post("/v1/tickets", headers=headers, json=new_ticket(number))).json()
    for tag in range(TAGS):
        answer = await client.put(f"/v1/tickets/{ticket['id']}/tags/t{tag}")
        assert answer.status_code == 200, answer.text


async def kill_while_posting(stack: Stack, receiver: Gate) -> Counter[str]:
    """SIGKILL the worker while posts are under way; returns how often each of their ids had come by then."""
    receiver.shut()
    already = len(receiver.seen)

    async def under_way() -> bool:
        return len(receiver.seen) > already

    await eventually(under_way, within=WAIT_S)
    process = stack.processes[WORKER]
    starts = process.starts
    process.kill()
    told = [webhook_id for webhook_id, *_ in receiver.told()]
    cut = Counter(webhook_id for webhook_id in told if webhook_id in told[already:])

    async def runs_again() -> bool:
        return process.starts > starts

    await eventually(runs_again)
    # The next process loads its modules still, so every lease is of the dead one, which ends them 40 s from now.
    await sql(stack, "update webhook_line set lease_until = clock_timestamp() where lease_until is not null")
    receiver.open()
    return cut


async def all_delivered(stack: Stack) -> bool:
    """Whether every event of the archive was taken."""
    [row] = await sql(
        stack,
        "select (select count(*) from event) as told, "
        "(select count(*) from webhook_delivery where state = 'delivered') as delivered",
    )
    assert row["told"] == row["delivered"], f"{row}\n{stack.logs()}"
    return True


def check_order(told: Sequence[tuple[str, str, int]]) -> None:
    """First appearances of each subject count from 1 without gaps, and a repeat has the id that it had."""
    last: Counter[str] = Counter()
    ids: dict[tuple[str, int], str] = {}
    for webhook_id, subject, number in told:
        assert ids.setdefault((subject, number), webhook_id) == webhook_id
        if number > last[subject]:
            assert number == last[subject] + 1, f"{subject}: {number} came after {last[subject]}"
            last[subject] = number


@pytest.mark.timeout(300)
async def test_posts_are_repeated_in_order_when_their_worker_is_killed(servers: Servers, tmp_path: Path) -> None:
    seed = draw_seed()
    chance = random.Random(seed)
    settings = {
        "FRONTLINE_INTAKE_WEBHOOKS_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "FRONTLINE_INTAKE_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    receiver = Gate()
    async with (
        serving(receiver) as url,
        running_stack(servers, tmp_path, settings=settings, services=("intake",)) as stack,
        stack.client("intake") as client,
    ):
        made = await client.post("/v1/webhooks", headers={"Idempotency-Key": "hook"}, json={"url": url})
        assert made.status_code == 201, made.text
        async with asyncio.TaskGroup() as load:
            for number in range(TICKETS):
                load.create_task(open_and_tag(client, number))
            for _ in range(KILLS):
                seen = len(receiver.seen) + chance.randint(1, TICKETS)
                await eventually(lambda seen=seen: has_seen(receiver, seen), within=WAIT_S)
                cut = await kill_while_posting(stack, receiver)
                await eventually(lambda cut=cut: came_again(receiver, cut), within=WAIT_S)
        await eventually(lambda: all_delivered(stack), within=WAIT_S)
        archived = await sql(stack, "select event_id from event")
    told = receiver.told()
    check_order(told)
    assert {webhook_id for webhook_id, *_ in told} == {str(row["event_id"]) for row in archived}


async def has_seen(receiver: Gate, count: int) -> bool:
    """Whether so many posts came."""
    return len(receiver.seen) >= count


async def came_again(receiver: Gate, cut: Counter[str]) -> bool:
    """Whether each post that was cut off has come once more since."""
    now = Counter(webhook_id for webhook_id, *_ in receiver.told())
    assert all(now[webhook_id] > count for webhook_id, count in cut.items()), (cut, now)
    return True
