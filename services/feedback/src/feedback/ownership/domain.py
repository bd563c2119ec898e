"""An agent's time with a ticket, folded from routing's events, and the shares that agents have in its outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from contracts.feedback import Share
from contracts.registry import Body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned

MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnershipInterval:
    """One agent owned the ticket from `started_at` until `ended_at`, or still does where that is None.

    `agent_tier` is the tier that the agent had when the ticket was assigned.
    """

    assignment_id: UUID
    agent_id: UUID
    agent_tier: int
    started_at: datetime
    ended_at: datetime | None = None
    end_reason: str = ""


Intervals = tuple[OwnershipInterval, ...]
"""Of one ticket, in the order in which routing told of them."""


def follow(intervals: Intervals, body: Body, *, at: datetime) -> Intervals:
    """The ticket's intervals after one more event of routing's; the same where the event says nothing of owners.

    A repeat changes nothing, and the end of an assignment that was never told of is no interval.

    Args:
        at: when the event happened.
    """
    match body:
        case AssignmentAssigned():
            if any(each.assignment_id == body.assignment_id for each in intervals):
                return intervals
            started = OwnershipInterval(
                assignment_id=body.assignment_id,
                agent_id=body.agent_id,
                agent_tier=body.agent_tier,
                started_at=at,
            )
            return (*intervals, started)
        case AssignmentUnassigned():
            return tuple(
                replace(each, ended_at=at, end_reason=body.reason)
                if each.assignment_id == body.assignment_id and each.ended_at is None
                else each
                for each in intervals
            )
        case _:
            return intervals


def owner_at(intervals: Intervals, moment: datetime) -> UUID | None:
    """Whose the ticket was at a moment: the latest to begin not after it, unless that ended before it.

    An interval that ends at the very moment still counts, so that the one whom a resolution frees is its owner; where
    another begins at that moment, as at a handoff, that one counts.
    """
    begun = [each for each in intervals if each.started_at <= moment]
    if not begun:
        return None
    # The last of several that began together: routing told of it last.
    latest = max(enumerate(begun), key=lambda pair: (pair[1].started_at, pair[0]))[1]
    return latest.agent_id if latest.ended_at is None or moment <= latest.ended_at else None


def share_out(intervals: Intervals, *, until: datetime) -> tuple[Share, ...]:
    """How much of a ticket's outcome is whose: each agent's owned time over the time owned by anybody, until a moment.

    Args:
        until: usually when the ticket was resolved; what comes later does not count.
    Returns:
        One share for each agent who owned it before `until`, the largest first, then by id; in millionths, and their
        sum is exactly 1. Where nobody's time is longer than nothing, the last owner has all. Empty where nobody
        owned it.
    """
    owned: dict[UUID, int] = {}
    for each in intervals:
        if each.started_at > until:
            continue
        end = until if each.ended_at is None else min(each.ended_at, until)
        owned[each.agent_id] = owned.get(each.agent_id, 0) + max(0, _microseconds(each.started_at, end))
    if not owned:
        return ()
    if not any(owned.values()):
        last = [each.agent_id for each in intervals if each.started_at <= until][-1]
        return (Share(agent_id=last, share=1.0),)
    millionths = _millionths(owned)
    ordered = sorted(millionths.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Share(agent_id=agent, share=part / MILLION) for agent, part in ordered if part)


def _millionths(owned: Mapping[UUID, int]) -> dict[UUID, int]:
    """Each agent's part of a million, rounded down; what is left over goes to the one with the longest time."""
    total = sum(owned.values())
    parts = {agent: time * MILLION // total for agent, time in owned.items()}
    longest = max(sorted(owned), key=lambda agent: owned[agent])
    parts[longest] += MILLION - sum(parts.values())
    return parts


def _microseconds(start: datetime, end: datetime) -> int:
    span = end - start
    return (span.days * 86_400 + span.seconds) * MILLION + span.microseconds


def changed(before: Mapping[UUID, Intervals], after: Mapping[UUID, Intervals]) -> Sequence[tuple[UUID, int]]:
    """Which intervals differ: the ticket and the interval's place in its list."""
    return [
        (ticket_id, place)
        for ticket_id, intervals in after.items()
        for place, each in enumerate(intervals)
        if before.get(ticket_id, ())[place : place + 1] != (each,)
    ]
