"""Who gets which ticket: the routing rule over what is known now. Pure: no IO and no clock, `now` is an argument."""

import hashlib
from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from uuid import UUID

import msgspec

from routing.work.domain import AgentFacts, Cause, Decision, Policy, Waiting, WorkFacts
from routing.work.rule.backlog import Backlog, Place, place_of
from routing.work.rule.kinds import KindBook
from routing.work.rule.price import Market, Match
from routing.work.rule.reach import count_funnel, count_lone_funnel, is_reachable, missing
from routing.work.rule.roster import Agent, Profile, Roster
from routing.work.rule.staff import Staff
from routing.work.rule.waiting import Work
from routing.work.rule.waitlist import Waitlist

Fronts = list[tuple[Place, int, int, Profile, Work]]
"""A heap of (place of the first ticket for a profile, profile index, turn at which it was found, profile, ticket)."""


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
        book = KindBook(policy, self._roster)
        self._backlog = Backlog(self._roster)
        self._market = Market(policy, self._roster)
        self._staff = Staff(self._roster, book, self._backlog)
        self._waitlist = Waitlist(self._roster, book, self._backlog)
        self._pulls = 0
        self._latest = 0

    # What the caller knows

    def put_agent(self, facts: AgentFacts, now: int) -> None:
        """Insert an agent or replace what is known of one."""
        self._advance(now)
        self._staff.put(facts)

    def remove_agent(self, agent_id: UUID) -> None:
        """Forget an agent; one that is not known is no error."""
        self._staff.forget(agent_id)

    def put_work(self, facts: WorkFacts, now: int) -> None:
        """Insert a waiting ticket or replace what is known of one."""
        self._advance(now)
        self._waitlist.put(facts)

    def remove_work(self, work_id: UUID) -> None:
        """Forget a ticket; one that does not wait is no error."""
        self._waitlist.remove(work_id.int)

    # What follows

    def decide(self, now: int) -> list[Decision]:
        """Match everything that can be matched.

        First the freed agents pull: as long as one of them can take a ticket, the first ticket by band that any of
        them can take goes to the cheapest agent that can take it. Then each ticket that is new, changed or in a
        later ring than before goes, in band order, to the cheapest agent that can take it, if there is one.
        """
        now = self._advance(now)
        waitlist, freed = self._waitlist, self._staff.freed
        decisions: list[Decision] = []
        if now >= waitlist.wheel.not_before:
            waitlist.fire_timers(now)
        if freed:
            self._pull(decisions, now)
            freed.clear()
        if waitlist.arrived:
            self._place_arrived(decisions, now)
            waitlist.arrived.clear()
        waitlist.watch.look(waitlist.works)
        return decisions

    def undo(self, decisions: Sequence[Decision]) -> None:
        """Take back decisions that were not committed, the last ones made; facts put since then must be put again."""
        for decision in reversed(decisions):
            work = decision.work
            self._staff.give_back(
                decision.agent_id,
                weight=work.weight_quarters,
                offered=work.offered,
                idle_since=decision.agent_idle_since,
            )
            self._pulls -= decision.cause == "pull"
            self._waitlist.put(work)

    def next_timer(self, now: int) -> int | None:
        """When to call `decide` again even if nothing happens: a ring or band changes, an exclusion ends. None: never.

        Never earlier than `now`.
        """
        at = self._waitlist.wheel.next_at()
        return None if at is None else max(at, now)

    def relaxed(self) -> list[tuple[UUID, int]]:
        """Tickets that still wait and for which a later ring opened since the last call, with the ring open now."""
        return self._waitlist.pop_relaxed()

    def unroutable_changes(self) -> list[tuple[UUID, tuple[str, ...]]]:
        """Waiting tickets found unroutable since the last call, with what is missing, or routable again: ()."""
        return self._waitlist.watch.pop_news()

    def unroutable(self, work_id: UUID) -> tuple[str, ...] | None:
        """What no known agent could ever give this waiting ticket; None if one could. Exclusions that end do not count.

        Where every single requirement is met by someone but not all by one agent, all of them are named.

        Raises:
            KeyError: the ticket does not wait.
        """
        work = self._waitlist.works[work_id.int]
        return None if is_reachable(self._roster, work) else missing(self._roster, work)

    def explain(self, work_id: UUID, now: int) -> Waiting:
        """Why a ticket waits. Looks at every waiting ticket.

        Raises:
            KeyError: the ticket does not wait.
        """
        now = max(now, self._latest)
        facts = self._waitlist.works[work_id.int].facts
        self._staff.seat_freed()
        work = self._waitlist.look_at(facts, now)
        place = place_of(work, now)
        return Waiting(
            work_id=work_id,
            ring=work.ring,
            band=place[0],
            order=place[1],
            wait=now - facts.enqueued_at,
            slack=facts.deadline - now,
            funnel=count_funnel(self._roster, work),
            missing=self.unroutable(work_id) or (),
            next_ring_at=work.next_ring_at(now),
            ahead=sum(
                place_of(peer, now) < place
                for peer in self._waitlist.works.values()
                if peer.kind is work.kind and peer.number != work.number
            ),
        )

    def preview(self, facts: WorkFacts, now: int) -> Decision | None:
        """To whom this ticket would go if it arrived now; None if it would wait. Changes nothing."""
        now = max(now, self._latest)
        self._staff.seat_freed()
        work = self._waitlist.look_at(facts, now)
        match = self._market.cheapest_two(work, now)
        return self._decision(work, match, "arrival", work.find_band(now), now) if match else None

    def fingerprint(self) -> str:
        """A hash over all that later decisions depend on: equal states give equal fingerprints."""
        agents = [(a.facts, a.load, a.offers_left, a.idle_since) for a in self._staff.everybody()]
        works = [
            (msgspec.structs.replace(work.facts, excluded={}), sorted(work.facts.excluded.items()), work.ring)
            for work in self._waitlist.everything()
        ]
        freed = sorted(agent.facts.agent_id for group in self._staff.freed.values() for agent in group.values())
        arrived = sorted(work.facts.work_id for work in self._waitlist.arrived.values())
        state = (self._latest, self._pulls % self._policy.guard_every_pulls, agents, works, freed, arrived)
        return hashlib.sha256(msgspec.json.encode(state, order="deterministic")).hexdigest()

    # Steps of a decision

    def _advance(self, now: int) -> int:
        if now > self._latest:
            self._latest = now
        return self._latest

    def _pull(self, decisions: list[Decision], now: int) -> None:
        """Let the freed agents pull; afterwards all of them have seats."""
        freed, arrived = self._staff.freed, self._waitlist.arrived
        if not arrived and len(freed) == 1:
            (group,) = freed.values()
            if len(group) == 1:
                (agent,) = group.values()
                self._pull_alone(agent, decisions, now)
                self._roster.seat(agent)
                return
        self._staff.seat_freed()
        for work in arrived.values():
            if work.bucket is None:
                work.look(now)
                self._waitlist.line_up(work, now)
        self._pull_together(decisions, now)

    def _pull_alone(self, agent: Agent, decisions: list[Decision], now: int) -> None:
        """One agent, not seated, pulls. Nobody else has room for a ticket that waited before, or it would not wait."""
        while agent.offers_left > 0 and agent.load < agent.capacity:
            guard = self._guard_is_due()
            free = agent.capacity - agent.load
            front = self._backlog.first_for(agent.profile, (agent,), free=free, guard=guard, now=now)
            if front is None:
                return
            place, work = front
            match = Match(self._market.only(agent, work, now), None, only=True)
            decisions.append(self._assign(work, match, "pull", place[0], now))

    def _pull_together(self, decisions: list[Decision], now: int) -> None:
        fronts: dict[bool, Fronts] = {}
        while (front := self._first_front(fronts, turn=len(decisions), now=now)) is not None:
            place, work = front
            match = self._market.cheapest_two(work, now)
            assert match is not None
            agent = match.best.agent
            cause: Cause = "pull" if self._staff.is_freed(agent) else "arrival"
            decisions.append(self._assign(work, match, cause, place[0], now))
            if agent.pool is None:
                self._staff.note_busy(agent)

    def _guard_is_due(self) -> bool:
        return (self._pulls + 1) % self._policy.guard_every_pulls == 0

    def _first_front(self, fronts: dict[bool, Fronts], *, turn: int, now: int) -> tuple[Place, Work] | None:
        """The first ticket that some freed agent can take.

        Args:
            fronts: what was found at former turns, with and without a guard turn.
            turn: rises with every decision.
        """
        guard = self._guard_is_due()
        heap = fronts.get(guard)
        if heap is None:
            found = ((self._front(profile, guard=guard, now=now), profile) for profile in self._staff.freed)
            heap = [(front[0], profile.index, turn, profile, front[1]) for front, profile in found if front]
            heapify(heap)
            fronts[guard] = heap
        # While agents fill up and tickets leave, what a profile finds only moves back in line: an old place is a bound.
        while heap:
            place, index, found_at, profile, work = heap[0]
            if found_at == turn:
                return place, work
            front = self._front(profile, guard=guard, now=now) if profile in self._staff.freed else None
            if front is None:
                heappop(heap)
            else:
                heapreplace(heap, (front[0], index, turn, profile, front[1]))
        return None

    def _front(self, profile: Profile, *, guard: bool, now: int) -> tuple[Place, Work] | None:
        agents = self._staff.freed[profile].values()
        free = max([agent.capacity - agent.load for agent in agents])
        return self._backlog.first_for(profile, agents, free=free, guard=guard, now=now)

    def _place_arrived(self, decisions: list[Decision], now: int) -> None:
        hopeful: list[tuple[Place, Work]] = []
        for work in self._waitlist.arrived.values():
            if work.bucket is None:
                work.look(now)
            if work.view.profiles & self._roster.with_room(work.kind.weight):
                hopeful.append((place_of(work, now), work))
            elif work.bucket is None:
                self._waitlist.line_up(work, now)
        hopeful.sort()
        for place, work in hopeful:
            match = self._market.cheapest_two(work, now)
            if match is not None:
                decisions.append(self._assign(work, match, "arrival", place[0], now))
            elif work.bucket is None:
                self._waitlist.line_up(work, now)

    def _assign(self, work: Work, match: Match, cause: Cause, band: int, now: int) -> Decision:
        decision = self._decision(work, match, cause, band, now)
        self._pulls += cause == "pull"
        self._staff.take(match.best.agent, work, now)
        self._waitlist.remove(work.number)
        return decision

    def _decision(self, work: Work, match: Match, cause: Cause, band: int, now: int) -> Decision:
        facts, best, second = work.facts, match.best, match.second
        return Decision(
            work_id=facts.work_id,
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
            funnel=(count_lone_funnel if match.only else count_funnel)(self._roster, work),
            work=facts,
            agent_idle_since=best.agent.idle_since,
        )
