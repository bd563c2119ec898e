"""What is stored of a decision, and how decisions and waits read."""

from uuid import UUID

import msgspec
import pytest

from routing.work.domain import MINUTE, Policy
from routing.work.engine import Engine
from routing.work.explanation import (
    RECORD_LIMIT_BYTES,
    duration,
    explain_decision,
    explain_waiting,
    pack_decision,
    unpack_decision,
)
from tests.unit.engine.build import agent, at, need, ticket

LONG = 2**52
"""Microseconds, a century and a half: nothing stored grows beyond."""


def test_a_decision_reads_in_words_and_numbers() -> None:
    engine = Engine(Policy())
    engine.put_agent(agent(1, capacity=10, load=4, idle_since=-15), 0)
    engine.put_agent(agent(2, capacity=10, load=4), 0)
    engine.put_agent(agent(3, tier=2, skills={"net": 5, "sql": 3}, capacity=10), 0)
    engine.put_agent(agent(4, present=False), 0)
    engine.decide(0)
    engine.put_work(ticket(10, weight=2, priority="high", needs=(need(hard=2),)), 0)
    (decision,) = engine.decide(0)

    assert explain_decision(unpack_decision(pack_decision(decision))) == [
        "An agent was looked for on arrival of this high ticket: weight 2, tier 1 or higher, net level 3, at least 2.",
        "It had waited 0 s, 1 h 0 min left, so it was comfortable: it had waited longest for its target.",
        "Ring 1 was open: agents at the level asked for.",
        "Of 4 agents 3 could take it; not present 1.",
        "The agent cost 70: tier 0, flexibility +0, proficiency -0, packing +120, idle -50.",
        "The runner-up, agent 00000000-0000-0000-0000-000000000002, cost 50 more.",
    ]


def test_the_record_of_the_largest_decision_fits_and_says_what_it_left_out() -> None:
    engine = Engine(Policy())
    names = [f"a-skill-with-a-rather-long-name-{i}" for i in range(12)]
    engine.put_agent(agent(2**128 - 1, tier=3, skills=dict.fromkeys(names, 5), capacity=1000), 0)
    engine.put_agent(agent(2**128 - 2, tier=3, skills=dict.fromkeys(names, 5), capacity=1000), 0)
    needs = tuple(need(name, level=5, hard=5) for name in names)
    engine.put_work(ticket(10, priority="normal", weight=100, language="de-CH-1996", needs=needs, offered=True), 0)
    (decision,) = engine.decide(0)
    counts = dict.fromkeys(decision.funnel.__struct_fields__, 1_000_000)
    largest = msgspec.structs.replace(
        decision,
        wait=LONG,
        slack=-LONG,
        margin=3_000_000,
        funnel=msgspec.structs.replace(decision.funnel, **counts),
    )

    packed = pack_decision(largest)

    assert len(packed) <= RECORD_LIMIT_BYTES
    record = unpack_decision(packed)
    assert record.needs_left_out == 12 - len(record.needs)
    assert f"{record.needs_left_out} more skills" in explain_decision(record)[0]


def test_a_usual_record_leaves_nothing_out() -> None:
    engine = Engine(Policy())
    engine.put_agent(agent(1, skills={"network": 3, "database": 3, "linux": 3}), 0)
    engine.put_work(ticket(10, needs=(need("network"), need("database"), need("linux", hard=1))), 0)
    (decision,) = engine.decide(0)

    record = unpack_decision(pack_decision(decision))

    assert record.needs == (("network", 3, 0), ("database", 3, 0), ("linux", 3, 1))
    assert record.needs_left_out == 0


def explain(engine: Engine, minute: float) -> list[str]:
    return explain_waiting(engine.explain(UUID(int=10), at(minute)), at(minute))


def test_a_wait_because_everybody_is_full() -> None:
    engine = Engine(Policy())
    for i in range(1, 8):
        engine.put_agent(agent(i, load=1), 0)
    engine.put_work(ticket(9, enqueued=-1), 0)
    engine.put_work(ticket(10), 0)
    engine.decide(0)

    assert explain(engine, 11) == ["7 eligible, all full.", "Ring 2 opens in 4 min.", "Like it and ahead of it: 1."]


def test_a_wait_because_nobody_eligible_exists() -> None:
    engine = Engine(Policy())
    engine.put_agent(agent(1), 0)
    engine.put_work(ticket(10, tier=3, needs=(need(hard=3), need("sql", hard=1))), 0)
    engine.decide(0)

    assert explain(engine, 0) == ["No agent exists who could take it; nobody has: tier 3, skill sql at level 1."]


def test_a_wait_because_nobody_eligible_is_there() -> None:
    engine = Engine(Policy())
    engine.put_agent(agent(1, present=False), 0)
    engine.put_agent(agent(2, skills={"net": 1}), 0)
    engine.put_work(ticket(10), 0)
    engine.decide(0)

    assert explain(engine, 0) == [
        "Nobody eligible is there now. Of 2 agents 0 could take it; not present 1; below the level asked now 1.",
        "Ring 2 opens in 15 min.",
    ]


def test_a_wait_because_an_offer_is_open() -> None:
    engine = Engine(Policy())
    engine.put_agent(agent(1, capacity=10, offers_left=0), 0)
    engine.put_work(ticket(10), 0)
    engine.decide(0)

    assert explain(engine, 90) == ["1 eligible, all full or reserved."]


@pytest.mark.parametrize(
    ("microseconds", "words"),
    [
        (0, "0 s"),
        (59_999_999, "59 s"),
        (4 * MINUTE, "4 min"),
        (-200 * MINUTE, "3 h 20 min"),
        (-MINUTE, "1 min"),
        (49 * 60 * MINUTE, "2 d 1 h"),
    ],
)
def test_durations(microseconds: int, words: str) -> None:
    assert duration(microseconds) == words
