"""Desks: a match rule over tickets, and the routing policy of what matches.

Desks are asked in the order of their `priority`, 1 first, then by id; the first whose rule holds gets the ticket. One
desk, the catch-all, is asked last and matches everything, so every ticket has a desk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypedDict
from uuid import UUID

from common.errors import Conflict
from common.match import MatchRule, matches
from contracts.words import SkillNeed

CATCH_ALL_ID = UUID("00000000-0000-7000-8000-000000000001")
"""The desk that the first migration makes."""

MODES = ("auto", "offer")
"""`auto` assigns at once; `offer` reserves capacity until the agent accepts."""

MATCH_FIELDS = frozenset(
    {
        "category",
        "channel",
        "component",
        "impact",
        "language",
        "organisation_id",
        "priority",
        "product",
        "system",
        "tags",
        "tier_required",
        "urgency",
    }
)
"""What a match rule may ask of a ticket."""

PRIORITIES = ("low", "normal", "high", "urgent")
_WEIGHTS = {"low": 1, "normal": 2, "high": 3, "urgent": 4}
DEFAULT_TAU_S: Mapping[str, int] = {"urgent": 900, "high": 3_600, "normal": 3_600, "low": 14_400}
"""Targets of the first response in seconds. Source: the default policy quoted in frappe/helpdesk#1542."""

DEFAULT_OFFER_LIFE_S = 120
"""Source: Twilio TaskRouter's default reservation time-out."""
DEFAULT_EXCLUSION_S = 600


class CatchAllFixed(Conflict):
    """The catch-all desk matches everything and is asked last; its rule and priority cannot be changed."""

    code = "catch_all_queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """A desk. Empty teams mean every agent; `tau_s` gives the target in seconds for each priority.

    An offer ends after `offer_life_s`; who hands a ticket back is not given it again unasked for `exclusion_s`.
    """

    queue_id: UUID
    pool: str
    name: str
    match: MatchRule
    priority: int
    mode: str
    required_skills: tuple[SkillNeed, ...]
    primary_teams: tuple[str, ...]
    overflow_teams: tuple[str, ...]
    tau_s: Mapping[str, int]
    offer_life_s: int
    exclusion_s: int
    created_at: datetime
    catch_all: bool = False
    version: int = 1

    @property
    def offer_life(self) -> timedelta:
        """How long an offer may stay unanswered."""
        return timedelta(seconds=self.offer_life_s)

    @property
    def exclusion(self) -> timedelta:
        """How long a hand-back keeps the agent from the ticket."""
        return timedelta(seconds=self.exclusion_s)

    def target_s(self, priority: str) -> int:
        """The target for a priority in seconds; one that this release does not know counts as normal."""
        return self.tau_s.get(priority, self.tau_s["normal"])


class QueueChanges(TypedDict, total=False):
    """What a command may change of a desk."""

    name: str
    match: MatchRule
    priority: int
    mode: str
    required_skills: tuple[SkillNeed, ...]
    primary_teams: tuple[str, ...]
    overflow_teams: tuple[str, ...]
    tau_s: Mapping[str, int]
    offer_life_s: int
    exclusion_s: int


def weight_of(priority: str) -> int:
    """Units of an agent's capacity; a priority that this release does not know counts as normal."""
    return _WEIGHTS.get(priority, _WEIGHTS["normal"])


def choose_queue(queues: Sequence[Queue], facts: Mapping[str, object]) -> Queue:
    """The first desk whose rule holds, of desks in the order in which they are asked, the catch-all last."""
    return next(queue for queue in queues if queue.catch_all or matches(queue.match, facts))


def combine_needs(queue: Queue, needs: Sequence[SkillNeed]) -> tuple[SkillNeed, ...]:
    """What the desk and the ticket ask together: for each skill the higher levels, by name."""
    combined: dict[str, SkillNeed] = {}
    for need in (*queue.required_skills, *needs):
        known = combined.get(need.skill, need)
        combined[need.skill] = SkillNeed(
            skill=need.skill,
            level=max(need.level, known.level),
            hard_level=max(need.hard_level, known.hard_level),
        )
    return tuple(combined[name] for name in sorted(combined))


def change_queue(queue: Queue, changes: QueueChanges) -> Queue:
    """The desk as it shall be; the same value where nothing differs.

    Args:
        changes: already checked, but for the rule.
    Raises:
        CatchAllFixed: the catch-all's rule or priority would change.
    """
    changed = replace(queue, **changes)
    if queue.catch_all and (changed.match != queue.match or changed.priority != queue.priority):
        raise CatchAllFixed
    return queue if changed == queue else replace(changed, version=queue.version + 1)
