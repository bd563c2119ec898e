"""The routing rule as plain scans over all agents and tickets: slow, and simple enough to be seen to be right.

It answers the same calls as the engine, so that both can be compared decision by decision.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from routing.work.domain import (
    COMFORTABLE,
    CRITICAL,
    FOREVER,
    GUARD_TURN,
    LATE,
    RING_EXACT,
    RING_HARD_ONLY,
    RING_NEAR,
    STARVED,
    AgentFacts,
    CostTerms,
    Decision,
    Funnel,
    Policy,
    SkillNeed,
    Waiting,
    WorkFacts,
)

FILTERS = Funnel.__struct_fields__[1:]


class Oracle:
    """A pool's waiting tickets and agents, matched by the rule.

    The caller tells what it knows with `put_*` and `remove_*`, then asks `decide`. After each `decide` no waiting
    ticket is left that some agent could take. A decision raises the agent's load here at once; if it cannot be
    committed, `undo` takes it back. Equal calls in equal order give equal decisions.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._agents: dict[UUID, AgentFacts] = {}
        self._works: dict[UUID, WorkFacts] = {}
        self._freed: set[UUID] = set()
        self._arrived: set[UUID] = set()
        self._looked_at: dict[UUID, int] = {}
        self._pulls = 0
        self._latest = 0

    def put_agent(self, facts: AgentFacts, now: int) -> None:
        """Insert an agent or replace what is known of one."""
        self._latest = max(self._latest, now)
        before = self._agents.get(facts.agent_id)
        self._agents[facts.agent_id] = facts
        waits_for_decide = facts.agent_id in self._freed
        self._freed.discard(facts.agent_id)
        if _can_take(facts) and (waits_for_decide or _can_take_more(before, facts)):
            self._freed.add(facts.agent_id)

    def remove_agent(self, agent_id: UUID) -> None:
        """Forget an agent; one that is not known is no error."""
        self._agents.pop(agent_id, None)
        self._freed.discard(agent_id)

    def put_work(self, facts: WorkFacts, now: int) -> None:
        """Insert a waiting ticket or replace what is known of one."""
        self._latest = max(self._latest, now)
        self._works[facts.work_id] = facts
        self._arrived.add(facts.work_id)
        self._looked_at.pop(facts.work_id, None)

    def remove_work(self, work_id: UUID) -> None:
        """Forget a ticket; one that does not wait is no error."""
        self._works.pop(work_id, None)
        self._arrived.discard(work_id)
        self._looked_at.pop(work_id, None)

    def decide(self, now: int) -> list[Decision]:
        """Match everything that can be matched.

        First the freed agents pull: as long as one of them can take a ticket, the first ticket by band that any of
        them can take goes to the cheapest agent that can take it. Then each ticket that is new, changed or in a
        later ring than before goes, in band order, to the cheapest agent that can take it, if there is one.
        """
        now = self._latest = max(self._latest, now)
        self._arrived |= {i for i, work in self._works.items() if self._may_go_to_more(work, now)}
        decisions: list[Decision] = []
        while decision := self._next_pull(now):
            decisions.append(self._apply(decision))
        for work in sorted((self._works[i] for i in self._arrived), key=lambda work: self._order(work, now)):
            agents = self._takers(work, now)
            if agents:
                decision = self._choose(work, agents, "arrival", self._band(work, now), now)
                decisions.append(self._apply(decision))
        self._freed.clear()
        self._arrived.clear()
        self._looked_at = dict.fromkeys(self._works, now)
        return decisions

    def undo(self, decisions: Sequence[Decision]) -> None:
        """Take back decisions that were not committed, the last ones made; facts put since then must be put again."""
        for decision in reversed(decisions):
            agent = self._agents.get(decision.agent_id)
            if agent is not None:
                self._agents[agent.agent_id] = msgspec.structs.replace(
                    agent,
                    load_quarters=agent.load_quarters - decision.work.weight_quarters,
                    offers_left=agent.offers_left + decision.work.offered,
                    idle_since=decision.agent_idle_since,
                )
                self._freed.add(agent.agent_id)
            self._pulls -= decision.cause == "pull"
            self.put_work(decision.work, self._latest)

    def unroutable(self, work_id: UUID) -> tuple[str, ...] | None:
        """What no known agent could ever give this waiting ticket; None if one could.

        Where every single requirement is met by someone but not all by one agent, all of them are named.

        Raises:
            KeyError: the ticket does not wait.
        """
        work = self._works[work_id]
        needs: list[tuple[str, list[bool]]] = []
        agents = list(self._agents.values())
        needs.append((f"tier {work.tier_required}", [a.tier >= work.tier_required for a in agents]))
        needs += [
            (f"skill {n.skill} at level {n.hard_level}", [a.skills.get(n.skill, 0) >= n.hard_level for a in agents])
            for n in work.needs
            if n.hard_level
        ]
        if work.language:
            needs.append(
                (f"language {work.language}", [not a.languages or work.language in a.languages for a in agents])
            )
        if work.teams:
            teams = work.teams | work.overflow_teams
            needs.append((f"team {' or '.join(sorted(teams))}", [bool(teams & a.teams) for a in agents]))
        units = work.weight_quarters / 4
        needs.append((f"capacity {units:g}", [a.capacity_quarters >= work.weight_quarters for a in agents]))
        if work.only_preferred:
            needs.append((f"agent {work.preferred}", [a.agent_id == work.preferred for a in agents]))
        if any(end >= FOREVER for end in work.excluded.values()):
            asked = [work.excluded.get(a.agent_id, 0) < FOREVER for a in agents]
            needs.append(("an agent who is not excluded", asked))
        if any(all(column) for column in zip(*(met for _, met in needs), strict=True)):
            return None
        return tuple(name for name, met in needs if not any(met)) or tuple(name for name, _ in needs)

    def explain(self, work_id: UUID, now: int) -> Waiting:
        """Why a ticket waits, without saying when the next ring opens.

        Raises:
            KeyError: the ticket does not wait.
        """
        now = max(now, self._latest)
        work = self._works[work_id]
        peers = [
            other
            for other in self._works.values()
            if _peer_key(other, self._value(other)) == _peer_key(work, self._value(work))
            and self._order(other, now) < self._order(work, now)
        ]
        ring = self._ring(work, now)
        return Waiting(
            work_id=work_id,
            ring=ring,
            band=self._band(work, now),
            order=self._order(work, now)[1],
            wait=now - work.enqueued_at,
            slack=work.deadline - now,
            funnel=self._funnel(work, ring, now),
            missing=self.unroutable(work_id) or (),
            next_ring_at=None,
            ahead=len(peers),
        )

    @property
    def agents(self) -> list[AgentFacts]:
        """What is known of all agents now, with the loads of decisions."""
        return list(self._agents.values())

    @property
    def works(self) -> list[WorkFacts]:
        """The waiting tickets."""
        return list(self._works.values())

    def looked_at(self, work: WorkFacts, now: int) -> int:
        """When `decide` last saw the ticket; `now` if it did not yet, or its decision was undone."""
        return self._looked_at.get(work.work_id, now)

    def standing(self, work: WorkFacts, now: int) -> tuple[int, int, frozenset[UUID]]:
        """All of a ticket that changes with time alone: ring, band, who is excluded."""
        excluded = frozenset(agent for agent, until in work.excluded.items() if until > now)
        return self._ring(work, now), self._band(work, now), excluded

    def _ring(self, work: WorkFacts, now: int) -> int:
        wait, slack = now - work.enqueued_at, work.deadline - now
        if slack < 0:
            return RING_HARD_ONLY
        waited = wait * 100 >= self._policy.ring_near_wait_percent * work.tau
        pressing = slack * 100 <= self._policy.ring_near_slack_percent * work.tau
        return RING_NEAR if waited or pressing else RING_EXACT

    def _value(self, work: WorkFacts) -> int:
        return self._policy.value.get(work.priority, 1)

    def _band(self, work: WorkFacts, now: int) -> int:
        slack = work.deadline - now
        if now - work.enqueued_at > self._policy.starved_after_taus * work.tau:
            return STARVED
        if slack < 0:
            return LATE
        return CRITICAL if slack * 100 <= self._policy.critical_slack_percent * work.tau else COMFORTABLE

    def _order(self, work: WorkFacts, now: int, *, guard: bool = False) -> tuple[int, int, int, int, UUID]:
        band = self._band(work, now)
        if band == LATE and guard:
            band = GUARD_TURN
        if band == COMFORTABLE:
            key = -(((now - work.enqueued_at) << 80) // (work.tau * work.tau))
        else:
            key = work.deadline if band == CRITICAL else work.enqueued_at
        return band, key, -self._value(work), work.enqueued_at, work.work_id

    def _may_go_to_more(self, work: WorkFacts, now: int) -> bool:
        seen = self._looked_at.get(work.work_id, now)
        return self._ring(work, seen) != self._ring(work, now) or any(
            seen < until <= now for until in work.excluded.values()
        )

    def _next_pull(self, now: int) -> Decision | None:
        guard = (self._pulls + 1) % self._policy.guard_every_pulls == 0
        freed = [self._agents[i] for i in self._freed]
        for work in sorted(self._works.values(), key=lambda work: self._order(work, now, guard=guard)):
            if any(self._first_failing(a, work, self._ring(work, now), now) is None for a in freed):
                band = self._order(work, now, guard=guard)[0]
                return self._choose(work, self._takers(work, now), "pull", band, now)
        return None

    def _takers(self, work: WorkFacts, now: int) -> list[AgentFacts]:
        ring = self._ring(work, now)
        return [a for a in self._agents.values() if self._first_failing(a, work, ring, now) is None]

    def _choose(self, work: WorkFacts, agents: list[AgentFacts], cause: str, band: int, now: int) -> Decision:
        priced = [(self._cost(agent, work, now), agent) for agent in agents]
        priced.sort(key=lambda pair: (pair[0].total, pair[1].idle_since, pair[1].agent_id))
        cost, agent = priced[0]
        second = priced[1] if len(priced) > 1 else None
        ring = self._ring(work, now)
        return Decision(
            work_id=work.work_id,
            agent_id=agent.agent_id,
            decided_at=now,
            cause="pull" if cause == "pull" and agent.agent_id in self._freed else "arrival",
            ring=ring,
            band=band,
            wait=now - work.enqueued_at,
            slack=work.deadline - now,
            cost=cost,
            runner_up=second[1].agent_id if second else None,
            margin=second[0].total - cost.total if second else None,
            funnel=self._funnel(work, ring, now),
            work=work,
            agent_idle_since=agent.idle_since,
        )

    def _apply(self, decision: Decision) -> Decision:
        agent = self._agents[decision.agent_id]
        self._agents[agent.agent_id] = msgspec.structs.replace(
            agent,
            load_quarters=agent.load_quarters + decision.work.weight_quarters,
            offers_left=agent.offers_left - decision.work.offered,
            idle_since=decision.decided_at,
        )
        self._pulls += decision.cause == "pull"
        self._works.pop(decision.work_id)
        self._arrived.discard(decision.work_id)
        return decision

    def _cost(self, agent: AgentFacts, work: WorkFacts, now: int) -> CostTerms:
        policy = self._policy
        most = max(len(other.skills) for other in self._agents.values())
        full = policy.levels_to_full_proficiency
        above = sum(min(full, max(0, agent.skills.get(n.skill, 0) - n.level)) for n in work.needs)
        after = agent.load_quarters + work.weight_quarters
        packed = agent.capacity_quarters - after if policy.packing == "fit" else after
        idle = min(max(0, now - agent.idle_since), policy.idle_cap)
        return CostTerms(
            tier=1000 * policy.tier_points * (agent.tier - work.tier_required),
            flexibility=1000 * policy.flexibility_points * max(0, len(agent.skills) - 1) // max(1, most - 1),
            proficiency=1000 * policy.proficiency_points * above // (full * len(work.needs)) if work.needs else 0,
            packing=1000 * policy.packing_points * packed // agent.capacity_quarters,
            idle=1000 * policy.idle_points * idle // policy.idle_cap,
            preference=0 if work.preferred in (None, agent.agent_id) else 1000 * policy.preference_points,
        )

    def _funnel(self, work: WorkFacts, ring: int, now: int) -> Funnel:
        left = [len(self._agents)]
        failing = [self._first_failing(agent, work, ring, now) for agent in self._agents.values()]
        for name in FILTERS:
            left.append(left[-1] - failing.count(name))
        return Funnel(*left)

    def _first_failing(self, agent: AgentFacts, work: WorkFacts, ring: int, now: int) -> str | None:
        teams = work.teams if ring == RING_EXACT else work.teams | work.overflow_teams
        passed = {
            "present": agent.present,
            "tier": agent.tier >= work.tier_required,
            "hard_skills": all(agent.skills.get(n.skill, 0) >= n.hard_level for n in work.needs),
            "skills": all(agent.skills.get(n.skill, 0) >= _level(n, ring) for n in work.needs),
            "language": not work.language or not agent.languages or work.language in agent.languages,
            "team": not work.teams or bool(teams & agent.teams),
            "not_excluded": work.excluded.get(agent.agent_id, 0) <= now
            and (not work.only_preferred or agent.agent_id == work.preferred),
            "capacity": agent.load_quarters + work.weight_quarters <= agent.capacity_quarters,
            "unreserved": agent.offers_left > 0,
        }
        return next((name for name, ok in passed.items() if not ok), None)


def _level(need: SkillNeed, ring: int) -> int:
    asked = {RING_EXACT: need.level, RING_NEAR: need.level - 1, RING_HARD_ONLY: 0}[ring]
    return max(need.hard_level, asked)


def _can_take(agent: AgentFacts) -> bool:
    return agent.present and agent.offers_left > 0


def _can_take_more(before: AgentFacts | None, after: AgentFacts) -> bool:
    if before is None or not _can_take(before):
        return True
    free = after.capacity_quarters - after.load_quarters
    return free > before.capacity_quarters - before.load_quarters or any(
        getattr(after, name) != getattr(before, name) for name in ("tier", "skills", "teams", "languages")
    )


def _peer_key(work: WorkFacts, value: int) -> tuple[object, ...]:
    return (
        work.tier_required,
        work.needs,
        work.language,
        work.teams,
        work.overflow_teams,
        work.weight_quarters,
        value,
        work.tau,
    )
