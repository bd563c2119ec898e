"""What became of clocks and of the runs about them: it decides whether a further percent begins another run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.escalation import SlaBreached, SlaClockResumed, SlaWarning
from contracts.registry import Body
from escalation.escalations import store
from escalation.sla.domain import Clock
from escalation.sla.usecases import find_clocks

ClockNews = SlaBreached | SlaClockResumed | SlaWarning
"""What may begin a run about a clock."""
_OF_CLOCKS = (SlaBreached, SlaClockResumed, SlaWarning)


@dataclass(frozen=True, kw_only=True)
class Past:
    """What became of the clocks that a batch tells of, and of their earlier runs.

    Attributes:
        over: by policy and clock, when a run was exhausted or stopped by a person.
        clocks: those that may have been reopened.
    """

    over: Mapping[tuple[UUID, UUID], datetime]
    clocks: Mapping[UUID, Clock]

    def is_over(self, policy_id: UUID, clock_id: UUID) -> bool:
        """Whether no further percent of the clock begins a run: only a reopening behind the end is a new cause."""
        ended_at = self.over.get((policy_id, clock_id))
        clock = self.clocks.get(clock_id)
        reopened_at = clock.reopened_at if clock else None
        return ended_at is not None and (reopened_at is None or reopened_at <= ended_at)

    def is_late(self, clock_id: UUID) -> bool:
        """Whether a clock that runs on was breached before."""
        clock = self.clocks.get(clock_id)
        return clock is not None and clock.is_late


async def read_past(tx: Transaction, told: Sequence[tuple[Event, Body]]) -> Past:
    """What a batch must know of the clocks that it tells of."""
    named = {body.clock_id: UUID(event.subject_id) for event, body in told if isinstance(body, _OF_CLOCKS)}
    resumed = {body.clock_id for _, body in told if isinstance(body, SlaClockResumed)}
    over = await store.list_over(tx.connection, sorted(set(named.values()))) if named else {}
    asked = resumed | {clock_id for _, clock_id in over if clock_id in named}
    return Past(over=over, clocks=await find_clocks(tx.connection, asked))
