"""A long random day, played twice from its log: the decisions and the state in the end are the same."""

import random
from collections.abc import Callable
from functools import partial
from uuid import UUID

import msgspec

from routing.work.domain import MINUTE, Decision, Policy
from routing.work.engine import Engine
from tests.unit.engine.build import agent, need, ticket

EVENTS = 3_000
SKILLS = [f"skill-{i}" for i in range(12)]
Call = Callable[[Engine], list[Decision] | None]


class Day:
    """Makes the events of a day, and keeps each as a call that can be made again."""

    def __init__(self, seed: int) -> None:
        self.log: list[Call] = []
        self.engine = Engine(Policy())
        self.decisions: list[Decision] = []
        self._random = random.Random(seed)  # noqa: S311 - a day that can be had again, no secret
        self._held: list[Decision] = []
        self._loads: dict[UUID, int] = {}
        self._agents = {
            facts.agent_id: facts
            for facts in (
                agent(
                    i,
                    tier=self._random.choices((1, 2, 3), (5, 3, 2))[0],
                    skills={name: self._random.randint(1, 5) for name in self._random.sample(SKILLS, 4)},
                    capacity=6,
                )
                for i in range(1, 61)
            )
        }
        self._now = 0

    def run(self, events: int) -> None:
        for facts in self._agents.values():
            self._call(partial(Engine.put_agent, facts=facts, now=0))
        for serial in range(events):
            self._now += round(self._random.expovariate(1 / (5 * MINUTE)) / 10)
            if self._held and self._random.random() < 0.45:
                self._finish()
            else:
                self._arrive(1000 + serial)
            for decision in self._call(partial(Engine.decide, now=self._now)) or ():
                self._held.append(decision)
                load = self._loads.get(decision.agent_id, 0) + decision.work.weight_quarters
                self._loads[decision.agent_id] = load
                assert load <= self._agents[decision.agent_id].capacity_quarters

    def _call(self, call: Call) -> list[Decision] | None:
        self.log.append(call)
        decisions = call(self.engine)
        self.decisions += decisions or ()
        return decisions

    def _finish(self) -> None:
        decision = self._held.pop(self._random.randrange(len(self._held)))
        self._loads[decision.agent_id] -= decision.work.weight_quarters
        facts = msgspec.structs.replace(
            self._agents[decision.agent_id],
            load_quarters=self._loads[decision.agent_id],
            present=self._random.random() > 0.05,
            idle_since=decision.decided_at,
        )
        self._call(partial(Engine.put_agent, facts=facts, now=self._now))

    def _arrive(self, identifier: int) -> None:
        names = self._random.sample(SKILLS, self._random.randint(0, 2))
        work = ticket(
            identifier,
            enqueued=self._now / MINUTE,
            tau=self._random.choice((15, 60, 240)),
            weight=self._random.choice((1, 1, 2, 3)),
            tier=self._random.choices((1, 2, 3), (6, 3, 1))[0],
            priority=self._random.choice(("low", "normal", "high", "urgent")),
            needs=tuple(need(name, level=self._random.randint(1, 4), hard=1) for name in names),
        )
        self._call(partial(Engine.put_work, facts=work, now=self._now))


def test_a_log_played_again_gives_the_same_decisions_and_the_same_state() -> None:
    day = Day(seed=7)
    day.run(EVENTS)
    again = Engine(Policy())

    decisions = [decision for call in day.log for decision in call(again) or ()]

    assert len(decisions) > EVENTS / 3
    assert {decision.ring for decision in decisions} == {1, 2, 3}
    assert {decision.cause for decision in decisions} == {"pull", "arrival"}
    assert decisions == day.decisions
    assert again.fingerprint() == day.engine.fingerprint()


def test_the_fingerprint_tells_states_apart() -> None:
    day, other = Day(seed=7), Day(seed=7)
    day.run(50)
    other.run(50)
    assert day.engine.fingerprint() == other.engine.fingerprint()

    other.engine.put_work(ticket(9), 0)

    assert day.engine.fingerprint() != other.engine.fingerprint()
