"""Agents and tickets in few words: times in minutes, weights and capacities in whole units, ids as small numbers."""

from collections.abc import Mapping
from uuid import UUID

from routing.work.domain import MINUTE, QUARTERS_PER_UNIT, AgentFacts, SkillNeed, WorkFacts

TEAM = frozenset({"desk"})


def at(minutes: float) -> int:
    """A time."""
    return round(minutes * MINUTE)


def number(identifier: UUID) -> int:
    """The small number of an id made here."""
    return identifier.int


def agent(
    identifier: int,
    *,
    tier: int = 1,
    skills: Mapping[str, int] | None = None,
    capacity: int = 1,
    load: float = 0,
    idle_since: float = 0,
    present: bool = True,
    offers_left: int = 1,
    teams: frozenset[str] = TEAM,
    languages: frozenset[str] = frozenset(),
) -> AgentFacts:
    """An agent with skill "net" at level 3 unless told otherwise."""
    return AgentFacts(
        agent_id=UUID(int=identifier),
        tier=tier,
        skills={"net": 3} if skills is None else skills,
        capacity_quarters=capacity * QUARTERS_PER_UNIT,
        load_quarters=round(load * QUARTERS_PER_UNIT),
        present=present,
        offers_left=offers_left,
        teams=teams,
        languages=languages,
        idle_since=at(idle_since),
    )


def need(skill: str = "net", level: int = 3, hard: int = 0) -> SkillNeed:
    """A skill that a ticket asks for."""
    return SkillNeed(skill=skill, level=level, hard_level=hard)


def ticket(
    identifier: int,
    *,
    enqueued: float = 0,
    tau: float = 60,
    deadline: float | None = None,
    priority: str = "normal",
    weight: float = 1,
    tier: int = 1,
    needs: tuple[SkillNeed, ...] = (need(),),
    language: str = "",
    teams: frozenset[str] = frozenset(),
    overflow: frozenset[str] = frozenset(),
    excluded: Mapping[UUID, int] | None = None,
    offered: bool = False,
    preferred: int | None = None,
    only_preferred: bool = False,
) -> WorkFacts:
    """A ticket that needs skill "net" at level 3 unless told otherwise; its deadline is `tau` after its enqueueing."""
    return WorkFacts(
        work_id=UUID(int=identifier),
        queue_id=UUID(int=0),
        priority=priority,
        weight_quarters=round(weight * QUARTERS_PER_UNIT),
        tier_required=tier,
        needs=needs,
        language=language,
        teams=teams,
        overflow_teams=overflow,
        enqueued_at=at(enqueued),
        deadline=at(enqueued + tau if deadline is None else deadline),
        tau=at(tau),
        excluded=excluded or {},
        offered=offered,
        preferred=None if preferred is None else UUID(int=preferred),
        only_preferred=only_preferred,
    )
