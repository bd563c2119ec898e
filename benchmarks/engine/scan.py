"""The baseline: what one writes first. A list of tickets and a list of agents, both looked through for every event."""

from collections.abc import Iterable
from uuid import UUID

from routing.work.domain import AgentFacts, WorkFacts


class Scan:
    """The rule without its refinements (no cost terms but tier and idleness, no guard turn), by plain loops."""

    def __init__(self, agents: Iterable[AgentFacts], works: Iterable[WorkFacts]) -> None:
        self._agents = {facts.agent_id: facts for facts in agents}
        self._works = {work.work_id: work for work in works}

    def arrive(self, work: WorkFacts, now: int) -> UUID | None:
        """The agent for an arriving ticket; without one it waits."""
        best: tuple[int, int] | None = None
        chosen: UUID | None = None
        for facts in self._agents.values():
            if _may_take(facts, work, now):
                key = (facts.tier, facts.idle_since)
                if best is None or key < best:
                    best, chosen = key, facts.agent_id
        if chosen is None:
            self._works[work.work_id] = work
        return chosen

    def free(self, facts: AgentFacts, now: int) -> WorkFacts | None:
        """The ticket that an agent with new room takes."""
        self._agents[facts.agent_id] = facts
        best: tuple[int, float] | None = None
        chosen: WorkFacts | None = None
        for work in self._works.values():
            if _may_take(facts, work, now):
                key = _key(work, now)
                if best is None or key < best:
                    best, chosen = key, work
        if chosen is not None:
            del self._works[chosen.work_id]
        return chosen


def _may_take(facts: AgentFacts, work: WorkFacts, now: int) -> bool:
    if facts.load_quarters + work.weight_quarters > facts.capacity_quarters or facts.tier < work.tier_required:
        return False
    slack = work.deadline - now
    exact = slack >= 0 and 4 * (now - work.enqueued_at) < work.tau
    for need in work.needs:
        asked = need.level if exact else need.level - 1 if slack >= 0 else 0
        if facts.skills.get(need.skill, 0) < max(need.hard_level, asked):
            return False
    return True


def _key(work: WorkFacts, now: int) -> tuple[int, float]:
    slack, wait = work.deadline - now, now - work.enqueued_at
    if slack < 0:
        return (-2 if wait > 4 * work.tau else 3), work.enqueued_at
    return (1, work.deadline) if 2 * slack <= work.tau else (2, -wait / work.tau**2)
