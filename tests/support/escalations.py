"""Escalation's events about a ticket, for those who fold them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.escalation import (
    EscalationLevelChanged,
    HandoffAccepted,
    HandoffCompleted,
    HandoffDeclined,
    HandoffExpired,
    HandoffRequested,
    HandoffReturned,
    HandoffWithdrawn,
    SlaBreached,
    SlaBreachWithdrawn,
    SlaClockCancelled,
    SlaClockPaused,
    SlaClockResumed,
    SlaClockStarted,
    SlaDeadlineChanged,
    SlaMet,
    SlaMetWithdrawn,
    SlaWarning,
)
from contracts.registry import Body

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = NOW + timedelta(hours=1)
ADA, BOB = UUID(int=21), UUID(int=22)
H1, H2 = UUID(int=41), UUID(int=42)
POLICY = UUID(int=50)
CLOCKS = {("resolution", 1): UUID(int=61), ("next_response", 1): UUID(int=62), ("next_response", 2): UUID(int=63)}


def level(ticket_id: UUID, old: int, new: int, tier: int) -> EscalationLevelChanged:
    """The level moved."""
    return EscalationLevelChanged(ticket_id=ticket_id, old=old, new=new, tier_required=tier, reason="breach")


def requested(
    ticket_id: UUID, handoff: UUID, *, to: UUID | None = None, return_of: UUID | None = None
) -> HandoffRequested:
    """Ada asks for another owner."""
    return HandoffRequested(
        ticket_id=ticket_id,
        handoff_id=handoff,
        from_agent_id=ADA,
        tier_required=2,
        reason_code="needs_expertise",
        completeness=1.0,
        emergency=False,
        deadline=DUE,
        expires_at=DUE,
        to_agent_id=to,
        return_of=return_of,
    )


def ends(ticket_id: UUID, handoff: UUID) -> dict[str, Body]:
    """Every way in which a handoff goes on, by the state that it leads to."""
    about = {"ticket_id": ticket_id, "handoff_id": handoff, "from_agent_id": ADA}
    return {
        "accepted": HandoffAccepted(**about, agent_id=BOB, assignment_id=H1, agent_tier=2),
        "declined": HandoffDeclined(**about, reason_code="busy"),
        "expired": HandoffExpired(**about),
        "withdrawn": HandoffWithdrawn(**about, reason="sender"),
        "returned": HandoffReturned(
            **about, agent_id=BOB, reason_code="wrong", return_handoff_id=H2, has_teaching_note=True
        ),
        "completed": HandoffCompleted(**about, agent_id=BOB),
    }


class Clock:
    """Events of one cycle of a clock."""

    def __init__(self, ticket_id: UUID, kind: str = "resolution", cycle: int = 1) -> None:
        """Args: kind, cycle: a key of `CLOCKS`."""
        self.about = {"ticket_id": ticket_id, "clock_id": CLOCKS[kind, cycle], "kind": kind, "cycle": cycle}
        self.policy = {"policy_id": POLICY, "policy_version": 1}

    def started(self, deadline: datetime | None = DUE) -> Body:
        """It runs; without a deadline it begins paused."""
        return SlaClockStarted(**self.about, **self.policy, started_at=NOW, target_s=3600, deadline=deadline)

    def paused(self) -> Body:
        """It stands still."""
        return SlaClockPaused(**self.about, at=NOW, consumed_s=60)

    def resumed(self) -> Body:
        """It runs again."""
        return SlaClockResumed(**self.about, at=NOW, consumed_s=60, deadline=DUE)

    def cancelled(self, reason: str) -> Body:
        """It ends without a verdict."""
        return SlaClockCancelled(**self.about, at=NOW, reason=reason)

    def moved(self, cause: str) -> Body:
        """Its deadline and its target change."""
        return SlaDeadlineChanged(**self.about, cause=cause, old=DUE, new=NOW, target_s=1800)

    def warned(self, percent: int) -> Body:
        """A share of the target has passed."""
        return SlaWarning(**self.about, **self.policy, percent=percent, consumed_s=60, target_s=3600)

    def breached(self) -> Body:
        """The target has passed."""
        return SlaBreached(**self.about, **self.policy, at=DUE, consumed_s=3600, target_s=3600)

    def met(self) -> Body:
        """Within the target."""
        return SlaMet(**self.about, **self.policy, at=NOW, consumed_s=60, target_s=3600)

    def breach_withdrawn(self) -> Body:
        """It had not passed."""
        return SlaBreachWithdrawn(**self.about)

    def met_withdrawn(self) -> Body:
        """It was not met."""
        return SlaMetWithdrawn(**self.about)

    def all(self) -> list[Body]:
        """One of each."""
        moves = [self.started(), self.started(None), self.paused(), self.resumed(), self.moved("policy")]
        ways = [self.cancelled("resolved"), self.cancelled("refolded"), self.warned(50), self.warned(90)]
        return moves + ways + [self.breached(), self.met(), self.breach_withdrawn(), self.met_withdrawn()]
