"""Kinds of tickets, each found by what its tickets ask for."""

from collections.abc import Iterator

from routing.work.domain import Policy, WorkFacts
from routing.work.rule.needs import Needs, View
from routing.work.rule.roster import Profile, Roster
from routing.work.rule.waiting import Kind

UNUSED_KINDS = 10_000
"""So many kinds that no ticket has may be kept, beside as many as tickets have."""


class KindBook:
    """One `Kind` for all tickets of a kind; those that no ticket has are forgotten in time."""

    def __init__(self, policy: Policy, roster: Roster) -> None:
        self._policy = policy
        self._roster = roster
        self._kinds: dict[tuple[object, ...], Kind] = {}
        self._needs: dict[tuple[object, ...], Needs] = {}
        self._limit = UNUSED_KINDS
        self._most_skills = roster.most_skills

    def find(self, facts: WorkFacts) -> Kind:
        """The kind of a ticket."""
        asked = (facts.needs, facts.tier_required, facts.language, facts.teams, facts.overflow_teams)
        key = (asked, facts.weight_quarters, facts.tau, facts.priority)
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) > self._limit:
                self._forget_unused()
            needs = self._needs.get(asked)
            if needs is None:
                needs = self._needs[asked] = Needs(facts, self._policy, self._roster)
            value = self._policy.value.get(facts.priority, 1)
            kind = self._kinds[key] = Kind(needs, weight=facts.weight_quarters, tau=facts.tau, value=value)
        return kind

    def kinds(self) -> Iterator[Kind]:
        """All kinds that tickets may have."""
        yield from self._kinds.values()

    def admit(self, profile: Profile) -> None:
        """Take a new profile into every view that it belongs to."""
        for view in self._views():
            view.admit(profile)
        self._reprice()

    def expel(self, profile: Profile) -> None:
        """Drop a profile, which the roster has forgotten, from every view."""
        for view in self._views():
            view.expel(profile)
        self._reprice()

    def _views(self) -> Iterator[View]:
        for needs in self._needs.values():
            yield from needs.views.values()

    def _reprice(self) -> None:
        if self._roster.most_skills != self._most_skills:
            self._most_skills = self._roster.most_skills
            for view in self._views():
                view.reprice()

    def _forget_unused(self) -> None:
        self._kinds = {key: kind for key, kind in self._kinds.items() if kind.waiting}
        used = {kind.needs for kind in self._kinds.values()}
        self._needs = {asked: needs for asked, needs in self._needs.items() if needs in used}
        self._limit = 2 * len(self._kinds) + UNUSED_KINDS
