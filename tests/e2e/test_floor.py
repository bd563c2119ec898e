"""A support floor plays tickets from the first word to the rating, and every figure is what the topics say."""

import os
from pathlib import Path

import pytest

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
