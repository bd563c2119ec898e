"""What a decider remembers of decisions that could not be committed."""

from dataclasses import replace
from datetime import timedelta

from routing.agents.domain import Agent
from routing.queues.domain import CATCH_ALL_ID
from routing.work.facts import to_micros
from routing.work.memory import Memory
from tests.unit.routing.test_moves import ADA, NOW, TICKET, waiting
from tests.unit.routing.test_queues import queue


def test_a_ring_that_opens_while_a_decision_is_undone_is_noted() -> None:
    memory = Memory("default", [replace(queue(), queue_id=CATCH_ALL_ID)])
    agent = Agent(
        agent_id=ADA,
        name="Ada",
        email="",
        tier=1,
        max_weight=10,
        max_offers=1,
        teams=(),
        languages=(),
        presence="online",
        presence_since=NOW,
        idle_since=NOW,
        created_at=NOW,
    )
    memory.put_agent(agent, to_micros(NOW))
    memory.put_work(waiting().item, to_micros(NOW))
    decisions = memory.decide(to_micros(NOW))
    assert [decision.work_id for decision in decisions] == [TICKET]

    memory.undo(decisions)
    later = to_micros(NOW + timedelta(minutes=16))
    memory.put_agent(replace(agent, presence="away"), later)
    assert memory.decide(later) == []

    assert {work_id: ring for work_id, (ring, _) in memory.notes([], limit=10).relaxed.items()} == {TICKET: 2}
