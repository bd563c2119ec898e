"""What the routing engine is told, and what it answers.

Units everywhere in this slice: a time is an int, microseconds since 1970 UTC; a load, capacity or weight ending in
`_quarters` is in quarters of a unit of capacity; a cost is an int, thousandths of the points of the rule.
"""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import msgspec

MINUTE = 60_000_000
"""Microseconds."""

QUARTERS_PER_UNIT = 4
FOREVER = 2**62
"""An exclusion until then has no end."""

ENTRY, MID, SENIOR = 1, 2, 3

RING_EXACT, RING_NEAR, RING_HARD_ONLY = 1, 2, 3
"""Which levels and teams a ticket accepts: all it asks; a level less, and overflow teams; only the hard levels."""

STARVED, GUARD_TURN, CRITICAL, COMFORTABLE, LATE = -2, -1, 1, 2, 3
"""In which order a freed agent takes tickets, lowest first. A late ticket counts as GUARD_TURN when it is its turn."""

BAND_NAMES = {
    STARVED: "starved",
    GUARD_TURN: "guard_turn",
    CRITICAL: "critical",
    COMFORTABLE: "comfortable",
    LATE: "late",
}

WorkKind = Literal["own", "handoff"]
"""Told, recorded and measured apart, but decided by one rule."""
Packing = Literal["fit", "spread"]
Cause = Literal["pull", "arrival"]


class SkillNeed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A skill that a ticket asks for. Levels run from 1 to 5; `hard_level` 0 means that nothing is indispensable."""

    skill: str
    level: int
    hard_level: int = 0


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An active agent, as far as the choice of work goes.

    `offers_left` is how many more unanswered offers the agent may hold; at 0 nothing new goes to this agent, offered
    or not. `idle_since` is the time of the last assignment. A load may exceed the capacity.
    """

    agent_id: UUID
    tier: int
    skills: Mapping[str, int]
    capacity_quarters: int
    load_quarters: int
    present: bool
    offers_left: int
    teams: frozenset[str]
    languages: frozenset[str]
    idle_since: int


class WorkFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A ticket that waits for an agent, or its handoff to another one, which waits beside.

    `work_id` is the only key the engine knows: the ticket's id, or the handoff's.

    `enqueued_at` survives every hand-back; the caller moves it later by the time that the clock was paused, because
    paused time is not wait. `tau` is the target of the running clock, `deadline` the moment it runs out. Without
    `teams` any team will do, without `language` any agent; an agent without `languages` may be given all of them.
    `excluded` maps agents to the end of their exclusion; those without end count as if they did not exist. `offered`:
    the work is offered, so a decision reserves the agent instead of assigning. `preferred` is asked before all others
    who could take it now, and nobody else is asked with `only_preferred`.
    """

    work_id: UUID
    queue_id: UUID
    priority: str
    weight_quarters: int
    tier_required: int
    needs: tuple[SkillNeed, ...]
    language: str
    teams: frozenset[str]
    overflow_teams: frozenset[str]
    enqueued_at: int
    deadline: int
    tau: int
    excluded: Mapping[UUID, int]
    offered: bool
    kind: WorkKind = "own"
    preferred: UUID | None = None
    only_preferred: bool = False


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Every constant of the routing rule. `*_points` are whole points of cost, `*_percent` are of tau."""

    ring_near_wait_percent: int = 25
    ring_near_slack_percent: int = 50
    critical_slack_percent: int = 50
    starved_after_taus: int = 4
    guard_every_pulls: int = 4

    preference_points: int = 3000
    """More than two tiers and all other terms together, so that the preferred agent always wins."""
    tier_points: int = 1000
    flexibility_points: int = 300
    proficiency_points: int = 200
    packing_points: int = 300
    idle_points: int = 100
    idle_cap: int = 30 * MINUTE
    levels_to_full_proficiency: int = 4
    packing: Packing = "fit"
    """Best fit wherever tickets of weight 2 or more exist; "spread" is for pools where every ticket weighs 1."""

    value: Mapping[str, int] = msgspec.field(
        default_factory=lambda: {"low": 1, "normal": 2, "high": 4, "urgent": 8},
    )
    """By priority; breaks ties. A priority that is not listed counts as 1."""


class CostTerms(msgspec.Struct, frozen=True, gc=False):
    """What made an agent cheap or dear for a ticket, in thousandths of points; `proficiency` and `idle` reduce.

    `preference` is what an agent costs more because another one is preferred.
    """

    tier: int
    flexibility: int
    proficiency: int
    packing: int
    idle: int
    preference: int = 0

    @property
    def total(self) -> int:
        """The cost: the least wins."""
        return self.tier + self.flexibility - self.proficiency + self.packing - self.idle + self.preference


class Funnel(msgspec.Struct, frozen=True, gc=False):
    """How many agents were left after each filter, in the order in which the filters apply."""

    known: int
    present: int
    tier: int
    hard_skills: int
    skills: int
    language: int
    team: int
    not_excluded: int
    capacity: int
    unreserved: int


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One ticket goes to one agent, with the reasons.

    `cause` is "pull" where the agent became freer, "arrival" where the ticket is new or may now go to more agents.
    `runner_up` is the next cheapest agent that could have taken the ticket, `margin` how much dearer. `work` and
    `agent_idle_since` are what the engine knew before, so that the decision can be undone.
    """

    work_id: UUID
    agent_id: UUID
    decided_at: int
    cause: Cause
    ring: int
    band: int
    wait: int
    slack: int
    cost: CostTerms
    runner_up: UUID | None
    margin: int | None
    funnel: Funnel
    work: WorkFacts
    agent_idle_since: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Why a ticket waits.

    `order` is the place inside the band, least first. `missing` names what no known agent could ever give, present or
    not. `next_ring_at` is None in the last ring. `ahead` counts the waiting tickets of the same needs, weight, target
    and value that go first.
    """

    work_id: UUID
    ring: int
    band: int
    order: int
    wait: int
    slack: int
    funnel: Funnel
    missing: tuple[str, ...]
    next_ring_at: int | None
    ahead: int
