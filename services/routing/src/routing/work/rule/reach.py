"""What no known agent could ever take, and how many agents each filter leaves for a ticket."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from routing.work.domain import QUARTERS_PER_UNIT, RING_HARD_ONLY, Funnel
from routing.work.rule.needs import Counts, Needs, View
from routing.work.rule.roster import Roster
from routing.work.rule.waiting import Work

Group = tuple[Needs, int]
"""Tickets of equal needs and weight (in quarters): all of them are routable, or none."""


def reachable(roster: Roster, needs: Needs, weight: int) -> bool:
    """Whether some known agent, present or not, full or not, could take such tickets once they are late."""
    profiles = roster.members(needs.view(RING_HARD_ONLY).profiles)
    return any(capacity >= weight for profile in profiles for capacity in profile.capacities)


def missing(roster: Roster, needs: Needs, weight: int) -> tuple[str, ...]:
    """What no known agent has of all that such tickets need; everything they need where only the sum is missing."""
    asked = list(_asked(roster, needs, weight))
    return tuple(name for name, found in asked if not found) or tuple(name for name, _ in asked)


def count_funnel(roster: Roster, work: Work) -> Funnel:
    """How many agents are left for a ticket after each filter."""
    view = work.needs.view(work.ring)
    if view.counts_version != roster.headcount_version:
        view.counts_version = roster.headcount_version
        view.counts = _count_static(roster, view)
    weight = work.facts.weight_quarters
    room = roster.members(view.profiles & roster.with_room(weight))
    unreserved = sum(profile.count_with(weight) for profile in room)
    held = roster.members(view.profiles & roster.with_reserved) if roster.with_reserved else ()
    reserved = sum(profile.count_reserved_with(weight) for profile in held)
    not_excluded = view.counts[-1]
    for number in work.excluded:
        agent = roster.agents.get(number)
        if agent is None or not agent.facts.present or not view.profiles >> agent.profile.index & 1:
            continue
        not_excluded -= 1
        if agent.free >= weight:
            unreserved -= agent.pool is not None
            reserved -= agent.pool is None
    known, present, tier, hard_skills, skills, language, team = view.counts
    return Funnel(
        known=known,
        present=present,
        tier=tier,
        hard_skills=hard_skills,
        skills=skills,
        language=language,
        team=team,
        not_excluded=not_excluded,
        capacity=unreserved + reserved,
        unreserved=unreserved,
    )


def _count_static(roster: Roster, view: View) -> Counts:
    def present(profiles: int) -> int:
        return sum(profile.present for profile in roster.members(profiles))

    tier, hard_skills, skills, language, team = view.filtered()
    return (
        len(roster.agents),
        present(roster.all_profiles),
        present(tier),
        present(hard_skills),
        present(skills),
        present(language),
        present(team),
    )


def _asked(roster: Roster, needs: Needs, weight: int) -> Iterator[tuple[str, bool]]:
    """Each thing that tickets need even when late, in words, and whether some known agent has it."""
    work = needs.facts
    yield f"tier {work.tier_required}", bool(roster.having(("tier", "", work.tier_required)))
    for need in work.needs:
        if need.hard_level:
            atom = ("skill", need.skill, need.hard_level)
            yield f"skill {need.skill} at level {need.hard_level}", bool(roster.having(atom))
    if work.language:
        yield f"language {work.language}", bool(roster.having(("language", work.language, 0)))
    if work.teams:
        teams = sorted(work.teams | work.overflow_teams)
        yield f"team {' or '.join(teams)}", any(roster.having(("team", team, 0)) for team in teams)
    known = roster.profiles.values()
    enough = any(capacity >= weight for profile in known for capacity in profile.capacities)
    yield f"capacity {weight / QUARTERS_PER_UNIT:g}", enough


class Watch:
    """Notices when waiting tickets become unroutable, and when they are routable again.

    Looks at each group of equal needs and weight once, then only when what some agent could take has changed.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._waiting: dict[Group, int] = {}
        """How many tickets wait in each group that was looked at."""
        self._unreachable: set[Group] = set()
        self._fresh: dict[Group, list[Work]] = {}
        """Tickets of groups that were not looked at yet."""
        self._told: set[int] = set()
        """Numbers of the tickets that were last told to be unroutable."""
        self._news: dict[int, tuple[UUID, tuple[str, ...]]] = {}
        self._version = roster.reach_version

    def add(self, work: Work) -> None:
        """A ticket waits."""
        group = (work.needs, work.facts.weight_quarters)
        count = self._waiting.get(group)
        if count is None:
            self._fresh.setdefault(group, []).append(work)
        else:
            self._waiting[group] = count + 1
            self._tell(work, group)

    def remove(self, work: Work) -> None:
        """A ticket waits no more, or not with these needs."""
        group = (work.needs, work.facts.weight_quarters)
        count = self._waiting.get(group)
        if count is None:
            self._fresh[group].remove(work)
        elif count > 1:
            self._waiting[group] = count - 1
        else:
            del self._waiting[group]
            self._unreachable.discard(group)

    def forget(self, number: int) -> None:
        """A ticket is gone; nothing more is told of it."""
        self._told.discard(number)
        self._news.pop(number, None)

    def look(self, works: Mapping[int, Work]) -> None:
        """Look at the groups that need it. `works`: all waiting tickets."""
        if self._version != self._roster.reach_version:
            self._version = self._roster.reach_version
            self._look_again(works)
        for group, fresh in self._fresh.items():
            if not fresh:
                continue
            self._waiting[group] = len(fresh)
            if not reachable(self._roster, *group):
                self._unreachable.add(group)
            for work in fresh:
                self._tell(work, group)
        self._fresh.clear()

    def pop_news(self) -> list[tuple[UUID, tuple[str, ...]]]:
        """What is new since the last call: (ticket, what is missing), () where the ticket is routable again."""
        news = list(self._news.values())
        self._news.clear()
        return news

    def _look_again(self, works: Mapping[int, Work]) -> None:
        unreachable = {group for group in self._waiting if not reachable(self._roster, *group)}
        changed = unreachable ^ self._unreachable
        self._unreachable = unreachable
        if changed:
            for work in works.values():
                group = (work.needs, work.facts.weight_quarters)
                if group in changed:
                    self._tell(work, group)

    def _tell(self, work: Work, group: Group) -> None:
        lost = group in self._unreachable
        if lost != (work.number in self._told):
            self._news[work.number] = (work.facts.ticket_id, missing(self._roster, *group) if lost else ())
            self._told ^= {work.number}
