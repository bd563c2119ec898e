"""The cheapest agent for a ticket."""

from typing import NamedTuple

from routing.work.domain import CostTerms, Policy
from routing.work.rule.needs import Price
from routing.work.rule.roster import Agent, Roster
from routing.work.rule.waiting import Work


class Offer(NamedTuple):
    """An agent's price for a ticket. Compared as a tuple: cheaper first, then longer idle, then the lower number."""

    total: int
    idle_since: int
    number: int
    packing: int
    idle: int
    price: Price
    agent: Agent

    @property
    def terms(self) -> CostTerms:
        """The total by term."""
        of_profile, _, tier, flexibility, proficiency, _ = self.price
        preference = self.total - (of_profile + self.packing - self.idle)
        return CostTerms(tier, flexibility, proficiency, self.packing, self.idle, preference)


class Match(NamedTuple):
    """The cheapest agent that can take a ticket, and the next cheapest. `only`: it is known that there is no other."""

    best: Offer
    second: Offer | None
    only: bool = False


class Market:
    """Prices agents for tickets by the policy."""

    def __init__(self, policy: Policy, roster: Roster) -> None:
        self._roster = roster
        self._packing = 1000 * policy.packing_points
        self._fit = policy.packing == "fit"
        self._idle = 1000 * policy.idle_points
        self._idle_cap = policy.idle_cap
        self._preference = 1000 * policy.preference_points

    def offer(self, agent: Agent, price: Price, weight: int, now: int) -> Offer:
        """What this agent costs for a ticket of this weight (in quarters)."""
        capacity = agent.capacity
        left = capacity - agent.load - weight
        packing = self._packing * (left if self._fit else capacity - left) // capacity
        idle_for = now - agent.idle_since
        idle = self._idle if idle_for >= self._idle_cap else self._idle * max(0, idle_for) // self._idle_cap
        return Offer(price[0] + packing - idle, agent.idle_since, agent.number, packing, idle, price, agent)

    def only(self, agent: Agent, work: Work, now: int) -> Offer:
        """What this agent, who may take the ticket, costs for it."""
        price = work.view.price_of[agent.profile]
        offer = self.offer(agent, price, work.kind.weight, now)
        preferred = work.facts.preferred
        return offer if preferred is None or preferred.int == agent.number else self._dearer(offer)

    def cheapest_two(self, work: Work, now: int) -> Match | None:
        """The cheapest agents that can take the ticket now; None if nobody can."""
        preferred = work.facts.preferred
        if preferred is None:
            return self._scan(work, work.excluded, now)
        first = self._preferred_offer(work, preferred.int, now)
        if work.only is not None:
            return Match(first, None) if first else None
        others = self._scan(work, work.excluded | {preferred.int}, now)
        if others is None:
            return Match(first, None) if first else None
        best = self._dearer(others.best)
        if first is not None:
            return Match(first, best)
        return Match(best, self._dearer(others.second) if others.second else None)

    def _preferred_offer(self, work: Work, number: int, now: int) -> Offer | None:
        """What the preferred agent costs; None if this agent cannot take the ticket now."""
        agent = self._roster.agents.get(number)
        if agent is None or agent.pool is None or agent.free < work.kind.weight or number in work.excluded:
            return None
        price = work.view.price_of.get(agent.profile)
        return self.offer(agent, price, work.kind.weight, now) if price else None

    def _dearer(self, offer: Offer) -> Offer:
        """The offer of an agent where another one is preferred."""
        return offer._replace(total=offer.total + self._preference)

    def _scan(self, work: Work, excluded: frozenset[int], now: int) -> Match | None:
        weight = work.kind.weight
        view = work.view
        best: Offer | None = None
        second: Offer | None = None
        if not view.profiles & self._roster.with_room(weight):
            return None
        for price in view.prices:
            profile = price[5]
            if second is not None and price[0] - self._idle > second[0]:
                break
            if profile.most_free < weight:
                continue
            for pool in profile.pools_with(weight):
                if self._fit and second is not None:
                    packing = self._packing * (pool.free - weight) // pool.capacity
                    if price[0] + packing - self._idle > second[0]:
                        continue
                for agent in pool.first_two(excluded):
                    offer = self.offer(agent, price, weight, now)
                    if best is None or offer < best:
                        best, second = offer, best
                    elif second is None or offer < second:
                        second = offer
        return None if best is None else Match(best, second)
