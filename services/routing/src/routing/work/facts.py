"""What the engine is told of agents and of waiting work, in its own units."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.words import SkillNeed as Need
from routing.agents.domain import Agent
from routing.queues.domain import Queue, combine_needs
from routing.work.domain import FOREVER, AgentFacts, SkillNeed, WorkFacts
from routing.work.item import FOR_EVER, HANDOFF, WorkItem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
"""Microseconds."""


def to_micros(at: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time of that many microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def agent_facts(agent: Agent) -> AgentFacts:
    """An active agent for the engine."""
    return AgentFacts(
        agent_id=agent.agent_id,
        tier=agent.tier,
        skills=dict(agent.skills),
        capacity_quarters=agent.capacity_quarters,
        load_quarters=agent.load_quarters,
        present=agent.presence == "online",
        offers_left=max(0, agent.max_offers - agent.open_offers),
        teams=frozenset(agent.teams),
        languages=frozenset(map(_language, agent.languages)),
        idle_since=to_micros(agent.idle_since),
    )


def work_facts(item: WorkItem, queue: Queue, *, excluded: Mapping[UUID, datetime] | None = None) -> WorkFacts:
    """Waiting work for the engine, with what its desk adds; times are moved by the pauses, which are not wait.

    A handoff asks for the skills and teams that its sender named, not for those of the desk, and is always offered.

    Args:
        excluded: in place of the item's own exclusions.
    """
    paused = round(item.paused_s * SECOND)
    ends = item.excluded if excluded is None else excluded
    is_handoff = item.kind == HANDOFF
    return WorkFacts(
        work_id=item.work_id,
        queue_id=item.queue_id,
        priority=item.priority,
        weight_quarters=item.quarters,
        tier_required=item.tier_required,
        needs=tuple(_need(need) for need in (item.needs if is_handoff else combine_needs(queue, item.needs))),
        language=_language(item.language),
        teams=frozenset(item.teams if is_handoff else queue.primary_teams),
        overflow_teams=frozenset() if is_handoff else frozenset(queue.overflow_teams),
        enqueued_at=to_micros(item.enqueued_at) + paused,
        deadline=to_micros(item.deadline) + paused,
        tau=item.tau_s * SECOND,
        excluded={agent_id: FOREVER if until >= FOR_EVER else to_micros(until) for agent_id, until in ends.items()},
        offered=is_handoff or queue.mode == "offer",
        kind="handoff" if is_handoff else "own",
        preferred=item.preferred,
        only_preferred=item.only_preferred,
    )


def shortfalls(agent: Agent, item: WorkItem, queue: Queue) -> tuple[str, ...]:
    """What keeps an agent from being given a ticket even by hand; presence, teams and soft levels do not."""
    found = [
        f"skill:{need.skill}>={need.hard_level}"
        for need in combine_needs(queue, item.needs)
        if agent.skills.get(need.skill, 0) < need.hard_level
    ]
    if agent.tier < item.tier_required:
        found.append(f"tier>={item.tier_required}")
    if item.language and agent.languages and _language(item.language) not in map(_language, agent.languages):
        found.append(f"language:{item.language}")
    return tuple(found)


def _language(tag: str) -> str:
    """The primary subtag: who speaks de takes tickets in de-AT too. Source: BCP 47 (RFC 5646, 2.2.1)."""
    return tag.partition("-")[0].lower()


def _need(need: Need) -> SkillNeed:
    return SkillNeed(skill=need.skill, level=need.level, hard_level=need.hard_level)
