"""A support floor plays tickets from the first word to the rating, and every figure is what the topics say."""

import os
from pathlib import Path
from typing import Any

import pytest

from common.errors import Refused
from tests.support.eventually import eventually
from tests.support.floor import check_floor, play
from tests.support.servers import Servers
from tests.support.stack import running_stack

TICKETS = int(os.environ.get("FLOOR_TICKETS", "60"))
SEED = int(os.environ.get("FLOOR_SEED", "7"))


@pytest.mark.timeout(900)
async def test_a_floor_plays_and_its_figures_are_the_topics(servers: Servers, tmp_path: Path) -> None:
    async with running_stack(servers, tmp_path) as stack:
        tally = await play(stack, tickets=TICKETS, seed=SEED, rate=8.0, at_once=40)
        await check_floor(stack, tally)
    counts = tally.counts
    assert counts["handoffs accepted"] >= TICKETS // 10
    assert counts["handoffs declined"] > 0
    assert counts["handoffs returned"] > 0
    assert counts["surveys answered"] > 0
    print(dict(counts))  # noqa: T201 - what was played, for whoever asks with -s


@pytest.mark.timeout(600)
async def test_a_floor_among_others(servers: Servers, tmp_path: Path) -> None:
    """Where somebody else's ticket waits it does not open unasked; asked to, it leaves the ticket at its desk."""
    async with running_stack(servers, tmp_path) as stack, stack.client("routing") as routing:
        async with stack.client("intake") as intake:
            body = {"subject": "s", "requester": {"email": "a@example.org"}, "source": {"channel": "web"}}
            answer = await intake.post("/v1/tickets", json=body, headers={"Idempotency-Key": "theirs"})
            theirs = answer.json()["id"]

        async def work() -> dict[str, Any]:
            answer = await routing.get(f"/v1/work-items/{theirs}")
            assert answer.status_code == 200
            return answer.json()

        await eventually(work, within=30)
        with pytest.raises(Refused) as refused:
            await play(stack, tickets=1, seed=SEED, rate=8.0, at_once=40)
        assert refused.value.code == "others_wait"
        for seed in (SEED, SEED + 1):
            tally = await play(stack, tickets=3, seed=seed, rate=8.0, at_once=40, among_others=True)
            assert not tally.troubles
            assert (await work())["state"] == "queued"
            agents = (await routing.get("/v1/agents", params={"limit": 200})).json()["items"]
            assert {each["presence"] for each in agents} == {"offline"}
