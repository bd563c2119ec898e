"""What no known agent could ever take, and how many agents each filter leaves for a ticket."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from routing.work.domain import QUARTERS_PER_UNIT, RING_HARD_ONLY, Funnel
from routing.work.rule.kinds import KindBook
from routing.work.rule.needs import Counts, View
from routing.work.rule.roster import Agent, Roster
from routing.work.rule.waiting import Kind, Work


def is_kind_reachable(roster: Roster, kind: Kind) -> bool:
    """Whether some known agent, present or not, full or not, could take such tickets once they are late."""
    profiles = roster.members(kind.needs.view(RING_HARD_ONLY).profiles)
    return any(capacity >= kind.weight for profile in profiles for capacity in profile.capacities)


def is_reachable(roster: Roster, work: Work) -> bool:
    """The same of one ticket, from which some agents may be excluded for ever, or all but one."""
    kind = work.kind
    if work.only is not None:
        return work.only not in work.barred and _could_take(roster, kind, work.only)
    if not work.barred:
        return is_kind_reachable(roster, kind)
    others = -sum(_could_take(roster, kind, number) for number in work.barred)
    for profile in roster.members(kind.needs.view(RING_HARD_ONLY).profiles):
        others += sum(count for capacity, count in profile.capacities.items() if capacity >= kind.weight)
        if others > 0:
            return True
    return False


def missing(roster: Roster, work: Work) -> tuple[str, ...]:
    """What no known agent has of all that the ticket needs; everything it needs where only the sum is missing."""
    asked = [*_asked(roster, work.kind), *_asked_of_agents(roster, work)]
    return tuple(name for name, found in asked if not found) or tuple(name for name, _ in asked)


def count_funnel(roster: Roster, work: Work) -> Funnel:
    """How many agents are left for a ticket after each filter."""
    view, weight = work.view, work.kind.weight
    _bring_up_to_date(roster, view)
    if work.only is not None:
        return _count_only(roster, work)
    unreserved = sum(profile.count_with(weight) for profile in roster.members(view.profiles & roster.with_room(weight)))
    reserved, excluded = _count_reserved(roster, work), _excluded(roster, work)
    for agent in excluded:
        if agent.free >= weight:
            unreserved -= agent.pool is not None
            reserved -= agent.pool is None
    return _funnel(view, excluded=len(excluded), unreserved=unreserved, reserved=reserved)


def count_lone_funnel(roster: Roster, work: Work) -> Funnel:
    """The same where it is known that one agent is left, who may have no seat."""
    view = work.view
    _bring_up_to_date(roster, view)
    if work.only is not None:
        return _count_only(roster, work)
    if work.excluded or roster.with_reserved:
        excluded = _excluded(roster, work)
        reserved = _count_reserved(roster, work)
        reserved -= sum(agent.free >= work.kind.weight and agent.offers_left <= 0 for agent in excluded)
        return _funnel(view, excluded=len(excluded), unreserved=1, reserved=reserved)
    if view.lone_funnel is None:
        view.lone_funnel = _funnel(view, excluded=0, unreserved=1, reserved=0)
    return view.lone_funnel


def _bring_up_to_date(roster: Roster, view: View) -> None:
    if view.counts_version != roster.headcount_version:
        view.counts_version = roster.headcount_version
        view.counts = _count_static(roster, view)
        view.lone_funnel = None


def _funnel(view: View, *, excluded: int, unreserved: int, reserved: int) -> Funnel:
    known, present, tier, hard_skills, skills, language, team = view.counts
    return Funnel(
        known=known,
        present=present,
        tier=tier,
        hard_skills=hard_skills,
        skills=skills,
        language=language,
        team=team,
        not_excluded=team - excluded,
        capacity=unreserved + reserved,
        unreserved=unreserved,
    )


def _count_only(roster: Roster, work: Work) -> Funnel:
    """How many are left where only one agent is asked: this one or nobody."""
    agent = None if work.only is None else roster.agents.get(work.only)
    known, present, tier, hard_skills, skills, language, team = work.view.counts
    asked = agent is not None and agent.facts.present and work.view.profiles >> agent.profile.index & 1 == 1
    asked = asked and work.only not in work.excluded
    fits = asked and agent is not None and agent.free >= work.kind.weight
    return Funnel(
        known=known,
        present=present,
        tier=tier,
        hard_skills=hard_skills,
        skills=skills,
        language=language,
        team=team,
        not_excluded=int(asked),
        capacity=int(fits),
        unreserved=int(fits and agent is not None and agent.offers_left > 0),
    )


def _could_take(roster: Roster, kind: Kind, number: int) -> bool:
    """Whether the agent is known and could take such tickets once they are late, but for exclusions."""
    agent = roster.agents.get(number)
    if agent is None or agent.capacity < kind.weight:
        return False
    return kind.needs.view(RING_HARD_ONLY).profiles >> agent.profile.index & 1 == 1


def _excluded(roster: Roster, work: Work) -> list[Agent]:
    """The excluded agents who would pass all filters before."""
    agents = (roster.agents.get(number) for number in work.excluded)
    profiles = work.view.profiles
    return [a for a in agents if a is not None and a.facts.present and profiles >> a.profile.index & 1]


def _count_reserved(roster: Roster, work: Work) -> int:
    profiles = roster.members(work.view.profiles & roster.with_reserved)
    return sum(profile.count_reserved_with(work.kind.weight) for profile in profiles)


def _count_static(roster: Roster, view: View) -> Counts:
    tier, hard_skills, skills, language, team = map(roster.count_present, view.filtered())
    present = roster.count_present(roster.all_profiles)
    return len(roster.agents), present, tier, hard_skills, skills, language, team


def _asked(roster: Roster, kind: Kind) -> Iterator[tuple[str, bool]]:
    """Each thing that tickets need even when late, in words, and whether some known agent has it."""
    work, weight = kind.needs.facts, kind.weight
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


def _asked_of_agents(roster: Roster, work: Work) -> Iterator[tuple[str, bool]]:
    if work.only is not None:
        yield f"agent {UUID(int=work.only)}", work.only in roster.agents
    if work.barred:
        yield "an agent who is not excluded", any(number not in work.barred for number in roster.agents)


class Watch:
    """Notices when waiting tickets become unroutable, and when they are routable again.

    Looks at each kind of ticket once, then only when what some agent could take has changed. Choosy tickets are few,
    and looked at one by one whenever an agent comes, goes or changes.
    """

    def __init__(self, roster: Roster, book: KindBook) -> None:
        self._roster = roster
        self._book = book
        self._fresh: list[Work] = []
        """Tickets of kinds that must be looked at."""
        self._told: set[int] = set()
        """Numbers of the tickets that were last told to be unroutable."""
        self._news: dict[int, tuple[UUID, tuple[str, ...]]] = {}
        self._version = roster.reach_version
        self._choosy: dict[int, Work] = {}
        self._headcount_version = roster.headcount_version

    def add(self, work: Work) -> None:
        """A ticket waits."""
        if work.is_choosy:
            self._choosy[work.number] = work
            self._fresh.append(work)
        elif work.kind.reachable is None:
            self._fresh.append(work)
        elif not work.kind.reachable or self._told:
            self._tell(work)

    def drop(self, number: int) -> None:
        """A ticket is gone, or comes back at once, changed."""
        if self._choosy:
            self._choosy.pop(number, None)

    def forget(self, number: int) -> None:
        """A ticket is gone; nothing more is told of it."""
        self.drop(number)
        if self._told:
            self._told.discard(number)
        if self._news:
            self._news.pop(number, None)

    def look(self, works: Mapping[int, Work]) -> None:
        """Look at the kinds that need it. `works`: all waiting tickets."""
        if self._version != self._roster.reach_version:
            self._version = self._roster.reach_version
            self._look_again(works)
        if self._headcount_version != self._roster.headcount_version:
            self._headcount_version = self._roster.headcount_version
            for work in self._choosy.values():
                self._tell(work)
        if self._fresh:
            for work in self._fresh:
                if works.get(work.number) is work:
                    if work.kind.reachable is None and not work.is_choosy:
                        work.kind.reachable = is_kind_reachable(self._roster, work.kind)
                    self._tell(work)
            self._fresh.clear()

    def pop_news(self) -> list[tuple[UUID, tuple[str, ...]]]:
        """What is new since the last call: (ticket, what is missing), () where the ticket is routable again."""
        news = list(self._news.values())
        self._news.clear()
        return news

    def _look_again(self, works: Mapping[int, Work]) -> None:
        changed: set[Kind] = set()
        for kind in self._book.kinds():
            before = kind.reachable
            kind.reachable = is_kind_reachable(self._roster, kind) if kind.waiting and before is not None else None
            if kind.reachable is not None and kind.reachable != before:
                changed.add(kind)
        if changed:
            for work in works.values():
                if work.kind in changed and not work.is_choosy:
                    self._tell(work)

    def _tell(self, work: Work) -> None:
        lost = not (is_reachable(self._roster, work) if work.is_choosy else work.kind.reachable)
        if lost != (work.number in self._told):
            self._news[work.number] = (work.facts.work_id, missing(self._roster, work) if lost else ())
            self._told ^= {work.number}
