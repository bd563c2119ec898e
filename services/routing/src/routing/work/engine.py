"""Who gets which ticket: the routing rule over what is known now. Pure: no IO and no clock, `now` is an argument."""

import hashlib
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from uuid import UUID

import msgspec

from routing.work.domain import AgentFacts, Cause, Decision, Policy, Waiting, WorkFacts
from routing.work.rule.backlog import Backlog, Place, place_of
from routing.work.rule.kinds import KindBook
from routing.work.rule.price import Market, Offer
from routing.work.rule.reach import Watch, count_funnel, is_reachable, missing
from routing.work.rule.roster import Agent, Profile, Roster
from routing.work.rule.stages import Stage
from routing.work.rule.waiting import Work
from routing.work.rule.wheel import Wheel

Fronts = list[tuple[Place, int, Profile]]
"""A heap of where the first ticket for each profile stands."""


class Engine:
    """A pool's waiting tickets and agents, matched by the rule.

    The caller tells what it knows with `put_*` and `remove_*`, then asks `decide`. After each `decide` no waiting
    ticket is left that some agent could take. A decision raises the agent's load here at once; if it cannot be
    committed, `undo` takes it back. Equal calls in equal order give equal decisions. Time never goes back: an earlier
    `now` counts as the latest one seen. After a restart put the agents before the tickets; it is much faster.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._roster = Roster()
        self._book = KindBook(policy, self._roster)
        self._market = Market(policy, self._roster)
        self._backlog = Backlog(self._roster)
        self._wheel = Wheel()
        self._watch = Watch(self._roster, self._book)
        self._works: dict[int, Work] = {}
        self._freed: dict[Profile, dict[int, Agent]] = {}
        self._arrived: dict[int, Work] = {}
        self._relaxed: dict[int, int] = {}
        self._pulls = 0
        self._serial = 0
        self._latest = 0

    # What the caller knows

    def put_agent(self, facts: AgentFacts, now: int) -> None:
        """Insert an agent or replace what is known of one."""
        self._latest = max(self._latest, now)
        number = facts.agent_id.int
        agent = self._roster.agents.get(number)
        profile = agent.profile if agent and _alike(agent.facts, facts) else self._find_profile(facts)
        widened = facts.present and facts.offers_left > 0
        if agent is None:
            agent = Agent(number)
            agent.learn(facts, profile)
            self._roster.enlist(agent)
        else:
            could_take = agent.facts.present and agent.offers_left > 0
            freer = facts.capacity_quarters - facts.load_quarters > agent.free or profile is not agent.profile
            waits_for_decide = number in self._freed.get(agent.profile, ())
            widened = widened and (not could_take or freer or waits_for_decide)
            self._relearn(agent, facts, profile)
        if widened:
            self._freed.setdefault(profile, {})[number] = agent

    def remove_agent(self, agent_id: UUID) -> None:
        """Forget an agent; one that is not known is no error."""
        agent = self._roster.agents.get(agent_id.int)
        if agent is not None:
            self._forget(agent)

    def put_work(self, facts: WorkFacts, now: int) -> None:
        """Insert a waiting ticket or replace what is known of one."""
        self._latest = max(self._latest, now)
        self._drop(facts.ticket_id.int)
        self._serial += 1
        work = self._make_work(facts)
        self._works[work.number] = self._arrived[work.number] = work
        work.kind.waiting += 1
        self._watch.add(work)

    def remove_work(self, ticket_id: UUID) -> None:
        """Forget a ticket; one that does not wait is no error."""
        self._drop(ticket_id.int)
        self._watch.forget(ticket_id.int)

    # What follows

    def decide(self, now: int) -> list[Decision]:
        """Match everything that can be matched.

        First the freed agents pull: as long as one of them can take a ticket, the first ticket by band that any of
        them can take goes to the cheapest agent that can take it. Then each ticket that is new, changed or in a
        later ring than before goes, in band order, to the cheapest agent that can take it, if there is one.
        """
        now = self._latest = max(self._latest, now)
        decisions: list[Decision] = []
        self._fire_timers(now)
        if self._freed:
            for work in self._arrived.values():
                self._line_up(work, now)
            self._pull(decisions, now)
            self._freed.clear()
        if self._arrived:
            self._place_arrived(decisions, now)
            self._arrived.clear()
        self._watch.look(self._works)
        return decisions

    def undo(self, decisions: Sequence[Decision]) -> None:
        """Take back decisions that were not committed, the last ones made; facts put since then must be put again."""
        for decision in reversed(decisions):
            agent = self._roster.agents.get(decision.agent_id.int)
            if agent is not None:
                self._roster.unseat(agent)
                agent.load -= decision.work.weight_quarters
                agent.offers_left += decision.work.offered
                agent.idle_since = decision.agent_idle_since
                self._roster.seat(agent)
                if agent.pool is not None:
                    self._freed.setdefault(agent.profile, {})[agent.number] = agent
            self._pulls -= decision.cause == "pull"
            self.put_work(decision.work, self._latest)

    def next_timer(self, now: int) -> int | None:
        """When to call `decide` again even if nothing happens: a ring or band changes, an exclusion ends. None: never.

        Never earlier than `now`.
        """
        at = self._wheel.next_at()
        return None if at is None else max(at, now)

    def relaxed(self) -> list[tuple[UUID, int]]:
        """Tickets that still wait and for which a later ring opened since the last call, with the ring open now."""
        opened = [(self._works[number].facts.ticket_id, ring) for number, ring in self._relaxed.items()]
        self._relaxed.clear()
        return opened

    def unroutable_changes(self) -> list[tuple[UUID, tuple[str, ...]]]:
        """Waiting tickets found unroutable since the last call, with what is missing, or routable again: ()."""
        return self._watch.pop_news()

    def unroutable(self, ticket_id: UUID) -> tuple[str, ...] | None:
        """What no known agent could ever give this waiting ticket; None if one could. Exclusions do not count.

        Where every single requirement is met by someone but not all by one agent, all of them are named.

        Raises:
            KeyError: the ticket does not wait.
        """
        kind = self._works[ticket_id.int].kind
        return None if is_reachable(self._roster, kind) else missing(self._roster, kind)

    def explain(self, ticket_id: UUID, now: int) -> Waiting:
        """Why a ticket waits. Looks at every waiting ticket of its kind.

        Raises:
            KeyError: the ticket does not wait.
        """
        now = max(now, self._latest)
        facts = self._works[ticket_id.int].facts
        work = self._look_at(facts, now)
        place = place_of(work, now)
        return Waiting(
            ticket_id=ticket_id,
            ring=work.ring,
            band=place[0],
            order=place[1],
            wait=now - facts.enqueued_at,
            slack=facts.deadline - now,
            funnel=count_funnel(self._roster, work),
            missing=self.unroutable(ticket_id) or (),
            next_ring_at=work.stage.next_ring_at(now),
            ahead=sum(place_of(peer, now) < place for peer in self._backlog.line(work.kind)),
        )

    def preview(self, facts: WorkFacts, now: int) -> Decision | None:
        """To whom this ticket would go if it arrived now; None if it would wait. Changes nothing."""
        now = max(now, self._latest)
        work = self._look_at(facts, now)
        best, second = self._market.cheapest_two(work, now)
        return self._decision(work, best, second, "arrival", work.stage.band(now), now) if best else None

    def fingerprint(self) -> str:
        """A hash over all that later decisions depend on: equal states give equal fingerprints."""
        agents = [
            (agent.facts, agent.load, agent.offers_left, agent.idle_since)
            for _, agent in sorted(self._roster.agents.items())
        ]
        works = [
            (msgspec.structs.replace(work.facts, excluded={}), sorted(work.facts.excluded.items()), work.ring)
            for _, work in sorted(self._works.items())
        ]
        freed = sorted(agent.facts.agent_id for group in self._freed.values() for agent in group.values())
        arrived = sorted(work.facts.ticket_id for work in self._arrived.values())
        state = (self._latest, self._pulls % self._policy.guard_every_pulls, agents, works, freed, arrived)
        return hashlib.sha256(msgspec.json.encode(state, order="deterministic")).hexdigest()

    # Steps of a decision

    def _fire_timers(self, now: int) -> None:
        while work := self._wheel.pop_due(now):
            ring, excluded = work.ring, work.excluded
            self._backlog.withdraw(work)
            self._line_up(work, now)
            if work.ring != ring:
                self._relaxed[work.number] = work.ring
            if work.ring != ring or work.excluded != excluded:
                self._arrived[work.number] = work

    def _pull(self, decisions: list[Decision], now: int) -> None:
        fronts: dict[bool, Fronts] = {}
        while self._freed:
            guard = (self._pulls + 1) % self._policy.guard_every_pulls == 0
            if len(self._freed) == 1:
                front = self._front(next(iter(self._freed)), guard=guard, now=now)
            else:
                front = self._first_front(fronts, guard=guard, now=now)
            if front is None:
                return
            place, work = front
            best, second = self._find_agents(work, now)
            assert best is not None
            agent = best.agent
            cause: Cause = "pull" if agent.number in self._freed.get(agent.profile, ()) else "arrival"
            decisions.append(self._assign(work, best, second, cause, place[0], now))
            if agent.pool is None:
                self._not_freed(agent)

    def _find_agents(self, work: Work, now: int) -> tuple[Offer | None, Offer | None]:
        """The cheapest and the next cheapest agent for a ticket that a freed agent can take."""
        if len(self._freed) == 1 and work.number not in self._arrived:
            group = next(iter(self._freed.values()))
            if len(group) == 1:
                # Nobody else has room for a ticket that waited before, or it would not wait.
                return self._market.only(next(iter(group.values())), work, now), None
        return self._market.cheapest_two(work, now)

    def _first_front(self, fronts: dict[bool, Fronts], *, guard: bool, now: int) -> tuple[Place, Work] | None:
        """The first ticket that some freed agent can take."""
        heap = fronts.get(guard)
        if heap is None:
            found = ((self._front(profile, guard=guard, now=now), profile) for profile in self._freed)
            heap = fronts[guard] = [(front[0], profile.index, profile) for front, profile in found if front]
            heapify(heap)
        # While agents fill up and tickets leave, what a profile finds only moves back in line: an old place is a bound.
        while heap:
            place, index, profile = heap[0]
            front = self._front(profile, guard=guard, now=now) if profile in self._freed else None
            if front is None:
                heappop(heap)
            elif front[0] != place:
                heapreplace(heap, (front[0], index, profile))
            else:
                return front
        return None

    def _front(self, profile: Profile, *, guard: bool, now: int) -> tuple[Place, Work] | None:
        agents = self._freed[profile].values()
        free = max([agent.capacity - agent.load for agent in agents])
        return self._backlog.first_for(profile, agents, free=free, guard=guard, now=now)

    def _place_arrived(self, decisions: list[Decision], now: int) -> None:
        hopeful: list[tuple[Place, Work]] = []
        for work in self._arrived.values():
            if work.bucket is None:
                self._refresh(work, now)
            if work.kind.needs.view(work.ring).profiles & self._roster.with_room(work.kind.weight):
                hopeful.append((place_of(work, now), work))
            else:
                self._line_up(work, now)
        hopeful.sort()
        for place, work in hopeful:
            best, second = self._market.cheapest_two(work, now)
            if best is None:
                self._line_up(work, now)
            else:
                decisions.append(self._assign(work, best, second, "arrival", place[0], now))

    def _assign(self, work: Work, best: Offer, second: Offer | None, cause: Cause, band: int, now: int) -> Decision:
        decision = self._decision(work, best, second, cause, band, now)
        agent = best.agent
        self._roster.unseat(agent)
        agent.load += work.facts.weight_quarters
        agent.offers_left -= work.facts.offered
        agent.idle_since = now
        self._roster.seat(agent)
        self._pulls += cause == "pull"
        self._drop(work.number)
        self._watch.forget(work.number)
        return decision

    def _decision(self, work: Work, best: Offer, second: Offer | None, cause: Cause, band: int, now: int) -> Decision:
        facts = work.facts
        return Decision(
            ticket_id=facts.ticket_id,
            agent_id=best.agent.facts.agent_id,
            decided_at=now,
            cause=cause,
            ring=work.ring,
            band=band,
            wait=now - facts.enqueued_at,
            slack=facts.deadline - now,
            cost=best.terms,
            runner_up=second.agent.facts.agent_id if second else None,
            margin=second.total - best.total if second else None,
            funnel=count_funnel(self._roster, work),
            work=facts,
            agent_idle_since=best.agent.idle_since,
        )

    # Keeping books

    def _make_work(self, facts: WorkFacts) -> Work:
        return Work(facts, self._book.find(facts), Stage(self._policy, facts), self._serial)

    def _look_at(self, facts: WorkFacts, now: int) -> Work:
        """A ticket as it is now, apart from those that wait."""
        work = self._make_work(facts)
        self._refresh(work, now)
        return work

    def _refresh(self, work: Work, now: int) -> None:
        work.ring = work.stage.ring(now)
        if work.facts.excluded:
            work.excluded = frozenset(agent.int for agent, until in work.facts.excluded.items() if until > now)

    def _line_up(self, work: Work, now: int) -> None:
        """Put a ticket in line unless it is, and set its timer."""
        if work.bucket is not None:
            return
        self._refresh(work, now)
        self._backlog.enqueue(work, now)
        changes = [until for until in work.facts.excluded.values() if until > now]
        stage = work.stage.next_change_at(now)
        if stage is not None:
            changes.append(stage)
        if changes:
            work.next_at = min(changes)
            self._wheel.add(work)

    def _drop(self, number: int) -> None:
        work = self._works.pop(number, None)
        if work is not None:
            self._backlog.withdraw(work)
            self._arrived.pop(number, None)
            self._relaxed.pop(number, None)
            work.kind.waiting -= 1
            work.next_at = None

    def _relearn(self, agent: Agent, facts: AgentFacts, profile: Profile) -> None:
        before = agent.facts
        if (
            profile is agent.profile
            and facts.present == before.present
            and facts.capacity_quarters == before.capacity_quarters
        ):
            self._not_freed(agent)
            self._roster.unseat(agent)
            agent.learn(facts, profile)
            self._roster.seat(agent)
        else:
            self._forget(agent, keep=profile)
            agent.learn(facts, profile)
            self._roster.enlist(agent)

    def _forget(self, agent: Agent, *, keep: Profile | None = None) -> None:
        """Drop an agent, and its profile if nobody else has it, unless it is the one to keep."""
        profile = agent.profile
        self._not_freed(agent)
        self._roster.dismiss(agent)
        if not profile.known and profile is not keep:
            self._roster.drop_profile(profile)
            self._book.expel(profile)
            self._backlog.expel(profile)

    def _not_freed(self, agent: Agent) -> None:
        freed = self._freed.get(agent.profile)
        if freed is not None:
            freed.pop(agent.number, None)
            if not freed:
                del self._freed[agent.profile]

    def _find_profile(self, facts: AgentFacts) -> Profile:
        profile = self._roster.find_profile(facts)
        if profile is None:
            profile = self._roster.add_profile(facts)
            self._book.admit(profile)
            self._backlog.admit(profile, self._book.kinds())
        return profile


def _alike(before: AgentFacts, after: AgentFacts) -> bool:
    return (
        before.tier == after.tier
        and (before.skills is after.skills or before.skills == after.skills)
        and before.teams == after.teams
        and before.languages == after.languages
    )
