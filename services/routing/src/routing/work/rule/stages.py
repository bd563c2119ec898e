"""How long a ticket has waited, in the words of the rule: its ring, its band, and when either changes next."""

from routing.work.domain import (
    COMFORTABLE,
    CRITICAL,
    LATE,
    RING_EXACT,
    RING_HARD_ONLY,
    RING_NEAR,
    STARVED,
    Policy,
    SkillNeed,
    WorkFacts,
)


class Targets:
    """How long after its enqueueing, or before its deadline, a ticket with a target of `tau` changes ring or band."""

    __slots__ = ("critical_slack", "near_slack", "near_wait", "starved_wait")

    def __init__(self, policy: Policy, tau: int) -> None:
        # Waits are rounded up and slacks down, so that a moment never comes too early.
        self.near_wait = -(-policy.ring_near_wait_percent * tau // 100)
        self.near_slack = policy.ring_near_slack_percent * tau // 100
        self.critical_slack = policy.critical_slack_percent * tau // 100
        self.starved_wait = policy.starved_after_taus * tau + 1


class Stages:
    """The moments at which a ticket's ring and band change. Between two of them its place in line is fixed."""

    __slots__ = ("critical_at", "late_at", "near_at", "starved_at")

    def __init__(self, work: WorkFacts, targets: Targets) -> None:
        enqueued_at, deadline = work.enqueued_at, work.deadline
        self.late_at = late_at = deadline + 1
        self.critical_at = deadline - targets.critical_slack
        near_at, by_slack = enqueued_at + targets.near_wait, deadline - targets.near_slack
        if by_slack < near_at:
            near_at = by_slack
        self.near_at = min(late_at, near_at)
        self.starved_at = enqueued_at + targets.starved_wait

    def find_ring(self, now: int) -> int:
        """RING_EXACT, RING_NEAR or RING_HARD_ONLY."""
        if now < self.near_at:
            return RING_EXACT
        return RING_NEAR if now < self.late_at else RING_HARD_ONLY

    def find_band(self, now: int) -> int:
        """STARVED, CRITICAL, COMFORTABLE or LATE."""
        if now >= self.starved_at:
            return STARVED
        if now >= self.late_at:
            return LATE
        return CRITICAL if now >= self.critical_at else COMFORTABLE

    def next_ring_at(self, now: int) -> int | None:
        """When a later ring opens; None in the last one."""
        if now < self.near_at:
            return self.near_at
        return self.late_at if now < self.late_at else None

    def next_stage_at(self, now: int) -> int | None:
        """When ring or band change next; None if they never will."""
        if now < self.near_at and now < self.critical_at and now < self.starved_at:
            return min(self.near_at, self.critical_at, self.starved_at)
        # A starved ticket stays starved, so becoming critical then changes nothing.
        critical_at = min(self.critical_at, self.starved_at)
        later = [at for at in (self.near_at, critical_at, self.late_at, self.starved_at) if at > now]
        return min(later, default=None)


def level_asked(need: SkillNeed, ring: int) -> int:
    """The level that a ring asks for; 0 means that the skill is not asked for at all."""
    if ring == RING_EXACT:
        return max(need.level, need.hard_level)
    return max(need.level - 1, need.hard_level) if ring == RING_NEAR else need.hard_level


def urgency(wait: int, tau: int) -> int:
    """wait / tau squared, the order of comfortable tickets, as an integer scaled by 2 to the 80th.

    Source: Mandelbaum and Stolyar's generalised c-mu rule for the cost (wait / tau) squared.
    """
    return (wait << 80) // (tau * tau)
