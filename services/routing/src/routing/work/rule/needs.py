"""Which profiles may take a ticket: tickets that ask for the same share one answer per ring."""

from bisect import insort

from routing.work.domain import RING_EXACT, Funnel, Policy, WorkFacts
from routing.work.rule.roster import Atom, Profile, Roster
from routing.work.rule.stages import level_asked

Price = tuple[int, int, int, int, int, Profile]
"""(sum of the terms that depend on the profile only, profile index, tier, flexibility, proficiency, profile)"""

Counts = tuple[int, int, int, int, int, int, int]
"""How many agents are known, are present, and are left after the filters tier, hard skills, skills, language, team."""


class View:
    """The profiles that may take tickets of equal needs in one ring."""

    __slots__ = (
        "atoms",
        "counts",
        "counts_version",
        "lone_funnel",
        "needs",
        "price_of",
        "prices",
        "profiles",
        "ring",
        "teams",
        "version",
    )

    def __init__(self, needs: "Needs", ring: int) -> None:
        self.needs = needs
        self.ring = ring
        work = needs.facts
        hard = [("skill", need.skill, need.hard_level) for need in work.needs if need.hard_level > 0]
        soft = [("skill", need.skill, level_asked(need, ring)) for need in work.needs]
        language = [("language", work.language, 0)] if work.language else []
        self.atoms: tuple[list[Atom], ...] = (
            [("tier", "", work.tier_required)],
            hard,
            [atom for atom in soft if atom[2] > 0],
            language,
        )
        """What an agent must have, by filter: tier, hard skills, skills, language."""
        teams = work.teams if ring == RING_EXACT else work.teams | work.overflow_teams
        self.teams: list[Atom] = [("team", team, 0) for team in sorted(teams)] if work.teams else []
        """Of these an agent must have one, if there is any."""
        self.version = 0
        """Changes whenever `profiles` does."""
        self.counts: Counts = (0, 0, 0, 0, 0, 0, 0)
        """As of `counts_version` of the roster's headcount."""
        self.counts_version = -1
        self.lone_funnel: Funnel | None = None
        """The funnel, as of the same version, that leaves one agent, where nobody is excluded or reserved."""
        self.profiles = self.filtered()[-1]
        self.prices = sorted(needs.price(profile) for profile in needs.roster.members(self.profiles))
        """The profiles in order of their share of the cost."""
        self.price_of = {price[5]: price for price in self.prices}

    def filtered(self) -> tuple[int, int, int, int, int]:
        """The sets of profiles that are left after each filter: tier, hard skills, skills, language, team."""
        roster = self.needs.roster
        left = roster.all_profiles
        sets: list[int] = []
        for atoms in self.atoms:
            for atom in atoms:
                left &= roster.having(atom)
            sets.append(left)
        tier, hard_skills, skills, language = sets
        in_teams = left if not self.teams else 0
        for atom in self.teams:
            in_teams |= roster.having(atom)
        return tier, hard_skills, skills, language, language & in_teams

    def admit(self, profile: Profile) -> None:
        """Take in a new profile if it may take such tickets."""
        if not self.filtered()[-1] >> profile.index & 1:
            return
        self.profiles |= 1 << profile.index
        self.version += 1
        price = self.price_of[profile] = self.needs.price(profile)
        insort(self.prices, price)

    def expel(self, profile: Profile) -> None:
        """Drop a profile that no agent has any more."""
        if self.profiles >> profile.index & 1:
            self.profiles &= ~(1 << profile.index)
            self.version += 1
            self.prices = [price for price in self.prices if price[5] is not profile]
            del self.price_of[profile]

    def reprice(self) -> None:
        """Price anew, because flexibility is measured against another most skilled agent."""
        self.prices = sorted(self.needs.price(price[5]) for price in self.prices)
        self.price_of = {price[5]: price for price in self.prices}


class Needs:
    """What tickets ask for that differ in weight, priority and time only."""

    __slots__ = ("facts", "policy", "roster", "views")

    def __init__(self, facts: WorkFacts, policy: Policy, roster: Roster) -> None:
        """Args: facts: any ticket with these needs."""
        self.facts = facts
        self.policy = policy
        self.roster = roster
        self.views: dict[int, View] = {}

    def view(self, ring: int) -> View:
        """The profiles that may take such tickets in a ring."""
        view = self.views.get(ring)
        if view is None:
            view = self.views[ring] = View(self, ring)
        return view

    def price(self, profile: Profile) -> Price:
        """What the profile adds to the cost of each of its agents."""
        policy, work = self.policy, self.facts
        full = policy.levels_to_full_proficiency
        above = sum(min(full, max(0, profile.skills.get(n.skill, 0) - n.level)) for n in work.needs)
        tier = 1000 * policy.tier_points * (profile.tier - work.tier_required)
        spare = max(1, self.roster.most_skills - 1)
        flexibility = 1000 * policy.flexibility_points * max(0, len(profile.skills) - 1) // spare
        proficiency = 1000 * policy.proficiency_points * above // (full * len(work.needs)) if work.needs else 0
        return tier + flexibility - proficiency, profile.index, tier, flexibility, proficiency, profile
