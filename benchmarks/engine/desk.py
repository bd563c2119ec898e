"""A busy desk of a given size: everybody full, a backlog of every age, and an endless row of arrivals."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import msgspec

from routing.work.domain import MINUTE, AgentFacts, Decision, SkillNeed, WorkFacts
from routing.work.engine import Engine

START = 1_800_000_000_000_000
STEP = 5_000
"""Microseconds from one operation to the next: 200 arrivals and 200 releases a second."""

CAPACITY = 40
PRIORITIES = {"urgent": (16, 15), "high": (12, 60), "normal": (8, 240), "low": (4, 480)}
"""Weight in quarters, target in minutes."""
PRIORITY_SHARES = (5, 15, 50, 30)
TIER_SHARES = (60, 30, 10)
AGENT_TIER_SHARES = (50, 33, 17)
NOBODY: dict[UUID, int] = {}
NO_TEAMS: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How work and people differ.

    `skill_sets` sets of one to `skills_per_ticket` skills out of `skills` are asked for; agents are of one of
    `profiles` kinds, each with `skills_per_agent` skills.
    """

    name: str
    skills: int
    skill_sets: int
    skills_per_ticket: int
    profiles: int
    skills_per_agent: tuple[int, int]


SINGLE = Shape(
    name="single skill", skills=24, skill_sets=24, skills_per_ticket=1, profiles=200, skills_per_agent=(2, 4)
)
MULTI = Shape(
    name="2,000 skill sets", skills=40, skill_sets=2000, skills_per_ticket=3, profiles=300, skills_per_agent=(4, 8)
)


class Desk:
    """Makes agents and tickets, and remembers who has which ticket, so that any of them can be finished."""

    def __init__(self, shape: Shape, *, agents: int, backlog: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._serial = 0
        self.now = START
        self._profiles = [self._make_profile(shape, i) for i in range(shape.profiles)]
        self._sets = self._make_sets(shape)
        self.held: list[tuple[UUID, int]] = []
        """(agent, weight in quarters) of every ticket in work, in no order."""
        self.agents = {facts.agent_id: facts for facts in (self._make_agent(i) for i in range(agents))}
        aged = [self.make_ticket(age=self._random.random() * 2) for _ in range(backlog)]
        self.backlog = sorted(aged, key=lambda work: work.enqueued_at)
        """Tickets that wait from the start, up to twice their target, as they came."""

    def make_ticket(self, *, age: float = 0) -> WorkFacts:
        """A ticket that has waited `age` times its target."""
        choose = self._random.choices
        priority = choose(list(PRIORITIES), PRIORITY_SHARES)[0]
        weight, minutes = PRIORITIES[priority]
        enqueued_at = self.now - round(age * minutes * MINUTE)
        needs, highest_tier = self._random.choice(self._sets)
        self._serial += 1
        return WorkFacts(
            work_id=UUID(int=(enqueued_at << 64) + self._serial),
            queue_id=UUID(int=0),
            priority=priority,
            weight_quarters=weight,
            tier_required=min(choose((1, 2, 3), TIER_SHARES)[0], highest_tier),
            needs=needs,
            language="",
            teams=NO_TEAMS,
            overflow_teams=NO_TEAMS,
            enqueued_at=enqueued_at,
            deadline=enqueued_at + minutes * MINUTE,
            tau=minutes * MINUTE,
            excluded=NOBODY,
            offered=False,
        )

    def fill(self, engine: Engine) -> None:
        """Tell an engine everything."""
        for facts in self.agents.values():
            engine.put_agent(facts, self.now)
        for work in self.backlog:
            engine.put_work(work, self.now)

    def finish_one(self) -> AgentFacts:
        """A ticket in work, any, is done: its agent with less load."""
        held = self.held
        position = self._random.randrange(len(held))
        held[position], held[-1] = held[-1], held[position]
        agent_id, weight = held.pop()
        facts = self.agents[agent_id]
        facts = self.agents[agent_id] = msgspec.structs.replace(facts, load_quarters=facts.load_quarters - weight)
        return facts

    def look_at_one(self) -> AgentFacts:
        """Some agent as it would be with one ticket less."""
        agent_id, weight = self._random.choice(self.held)
        facts = self.agents[agent_id]
        return msgspec.structs.replace(facts, load_quarters=facts.load_quarters - weight)

    def take(self, decision: Decision) -> None:
        """An agent has a ticket."""
        facts, weight = self.agents[decision.agent_id], decision.work.weight_quarters
        self.held.append((decision.agent_id, weight))
        self.agents[decision.agent_id] = msgspec.structs.replace(
            facts, load_quarters=facts.load_quarters + weight, idle_since=decision.decided_at
        )

    def run(self, arrivals: list[WorkFacts], step: Callable[[WorkFacts | AgentFacts, int], list[Decision]]) -> None:
        """Each arrival, and after it one ticket is finished; `step` is called for both, and its decisions hold."""
        for work in arrivals:
            self.now += STEP
            for decision in step(work, self.now):
                self.take(decision)
            for decision in step(self.finish_one(), self.now):
                self.take(decision)

    def next_arrivals(self, count: int) -> list[WorkFacts]:
        """Tickets that will arrive one step apart, from now on."""
        arrivals: list[WorkFacts] = []
        now = self.now
        for _ in range(count):
            self.now += STEP
            arrivals.append(self.make_ticket())
        self.now = now
        return arrivals

    def _make_sets(self, shape: Shape) -> list[tuple[tuple[SkillNeed, ...], int]]:
        """Sets that somebody has, each with the highest tier at which somebody has it."""
        sets: dict[tuple[str, ...], int] = {}
        while len(sets) < shape.skill_sets:
            tier, skills = self._random.choice(self._profiles)
            count = self._random.randint(1, shape.skills_per_ticket)
            names = tuple(sorted(self._random.sample(list(skills), count)))
            sets[names] = max(tier, sets.get(names, 0))
        return [
            (tuple(SkillNeed(skill=name, level=3, hard_level=2) for name in names), tier)
            for names, tier in sets.items()
        ]

    def _make_profile(self, shape: Shape, index: int) -> tuple[int, dict[str, int]]:
        tier = self._random.choices((1, 2, 3), AGENT_TIER_SHARES)[0]
        count = self._random.randint(*shape.skills_per_agent)
        # Every skill is somebody's: the first is dealt round, the others are drawn.
        names = {index % shape.skills, *self._random.sample(range(shape.skills), count)}
        return tier, {f"skill-{i}": self._random.choice((2, 3, 3, 4, 5)) for i in sorted(names)}

    def _make_agent(self, index: int) -> AgentFacts:
        tier, skills = self._profiles[index % len(self._profiles)]
        agent_id, load = UUID(int=index + 1), 0
        while load < CAPACITY:
            weight = min(CAPACITY - load, PRIORITIES[self._random.choices(list(PRIORITIES), PRIORITY_SHARES)[0]][0])
            self.held.append((agent_id, weight))
            load += weight
        return AgentFacts(
            agent_id=agent_id,
            tier=tier,
            skills=skills,
            capacity_quarters=CAPACITY,
            load_quarters=load,
            present=True,
            offers_left=1,
            teams=NO_TEAMS,
            languages=NO_TEAMS,
            idle_since=self.now - round(self._random.random() * 40 * MINUTE),
        )
