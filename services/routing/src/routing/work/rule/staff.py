"""What is known of the agents, and which of them became freer since the last decision."""

from collections.abc import Iterable
from uuid import UUID

from routing.work.domain import AgentFacts
from routing.work.rule.backlog import Backlog
from routing.work.rule.kinds import KindBook
from routing.work.rule.roster import Agent, Profile, Roster
from routing.work.rule.waiting import Work


class Staff:
    """All agents. Keeps roster, views and lanes in step with them.

    An agent that became freer has no seat in the roster before `seat_freed`, because most leave theirs at once.
    """

    def __init__(self, roster: Roster, book: KindBook, backlog: Backlog) -> None:
        self._roster = roster
        self._book = book
        self._backlog = backlog
        self.freed: dict[Profile, dict[int, Agent]] = {}
        """Agents that may be able to take a ticket which waited before."""

    def put(self, facts: AgentFacts) -> None:
        """Insert an agent or replace what is known of one."""
        agent = self._roster.agents.get(facts.agent_id.int)
        if agent is None:
            agent = Agent(facts.agent_id.int)
            agent.learn(facts, self._find_profile(facts))
            self._roster.enlist(agent)
            freer = True
        else:
            before, profile = agent.facts, agent.profile
            free = facts.capacity_quarters - facts.load_quarters
            freer = agent.offers_left <= 0 or not before.present or free > agent.capacity - agent.load
            freer = freer or self.is_freed(agent)
            self._roster.unseat(agent)
            if _is_alike(before, facts):
                agent.learn(facts, profile)
            else:
                self._replace(agent, facts)
                freer = freer or agent.profile is not profile
        if freer and facts.present and facts.offers_left > 0:
            self.note_freed(agent)
        else:
            self.note_busy(agent)
            self._roster.seat(agent)

    def seat_freed(self) -> None:
        """Give every agent that became freer a seat."""
        for group in self.freed.values():
            for agent in group.values():
                if agent.pool is None:
                    self._roster.seat(agent)

    def forget(self, agent_id: UUID) -> None:
        """Drop an agent; one that is not known is no error."""
        agent = self._roster.agents.get(agent_id.int)
        if agent is not None:
            self.note_busy(agent)
            self._roster.unseat(agent)
            self._roster.dismiss(agent)
            self._drop_if_unused(agent.profile)

    def take(self, agent: Agent, work: Work, now: int) -> None:
        """An agent gets a ticket. Without a seat before, the agent has none afterwards."""
        pool = agent.pool
        if pool is not None:
            self._roster.unseat(agent)
        agent.load += work.kind.weight
        if work.facts.offered:
            agent.offers_left -= 1
        agent.idle_since = now
        if pool is not None:
            self._roster.seat(agent)

    def give_back(self, agent_id: UUID, *, weight: int, offered: bool, idle_since: int) -> None:
        """An agent gets a ticket after all not, and is as before; one that is not known any more is no error."""
        agent = self._roster.agents.get(agent_id.int)
        if agent is None:
            return
        self._roster.unseat(agent)
        agent.load -= weight
        agent.offers_left += offered
        agent.idle_since = idle_since
        if agent.facts.present and agent.offers_left > 0:
            self.note_freed(agent)
        else:
            self._roster.seat(agent)

    def is_freed(self, agent: Agent) -> bool:
        """Whether the agent became freer since the last decision."""
        return agent.number in self.freed.get(agent.profile, ())

    def note_freed(self, agent: Agent) -> None:
        """An agent became freer."""
        group = self.freed.get(agent.profile)
        if group is None:
            group = self.freed[agent.profile] = {}
        group[agent.number] = agent

    def note_busy(self, agent: Agent) -> None:
        """An agent can take nothing more."""
        group = self.freed.get(agent.profile)
        if group is not None and group.pop(agent.number, None) and not group:
            del self.freed[agent.profile]

    def everybody(self) -> Iterable[Agent]:
        """All agents by number."""
        return (agent for _, agent in sorted(self._roster.agents.items()))

    def _replace(self, agent: Agent, facts: AgentFacts) -> None:
        """Move an agent, who has no seat, to the profile of its new facts."""
        profile = agent.profile
        self.note_busy(agent)
        self._roster.dismiss(agent)
        agent.learn(facts, self._find_profile(facts))
        self._roster.enlist(agent)
        self._drop_if_unused(profile)

    def _find_profile(self, facts: AgentFacts) -> Profile:
        profile = self._roster.find_profile(facts)
        if profile is None:
            profile = self._roster.add_profile(facts)
            self._book.admit(profile)
            self._backlog.admit(profile, self._book.kinds())
        return profile

    def _drop_if_unused(self, profile: Profile) -> None:
        if not profile.known:
            self._roster.drop_profile(profile)
            self._book.expel(profile)
            self._backlog.expel(profile)


def _is_alike(before: AgentFacts, after: AgentFacts) -> bool:
    """Whether only load, offers and idle time differ."""
    return (
        before.present == after.present
        and before.capacity_quarters == after.capacity_quarters
        and before.tier == after.tier
        and (before.skills is after.skills or before.skills == after.skills)
        and (before.teams is after.teams or before.teams == after.teams)
        and (before.languages is after.languages or before.languages == after.languages)
    )
