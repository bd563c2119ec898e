"""Policies, what is in force when, and clocks: the values. Times are aware and in UTC, `_us` is in microseconds.

Clock kinds: `first_response` and `resolution` (one, and one more for each restart), `next_response` (one for each time
that the customer waits for an answer again) and `handoff_accept` (one for each handoff).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid5

import msgspec

from common.match import MatchRule, matches
from escalation.calendars.domain import OpenHours

FIRST_RESPONSE, NEXT_RESPONSE = "first_response", "next_response"
RESOLUTION, HANDOFF_ACCEPT = "resolution", "handoff_accept"
KINDS = (FIRST_RESPONSE, NEXT_RESPONSE, RESOLUTION, HANDOFF_ACCEPT)
PRIORITIES = ("low", "normal", "high", "urgent")
HOLD_REASONS = ("third_party", "internal_dependency", "problem", "scheduled", "maintenance")

RUNNING, PAUSED = "running", "paused"
MET, MISSED, CANCELLED = "met", "missed", "cancelled"
VOID = "void"
"""The state of a clock that a late event took away: it never ran."""
OPEN_STATES = frozenset({RUNNING, PAUSED})
RUN, PAUSE = "run", "pause"
_UNDONE = frozenset({"resolved", "cancelled"})
"""Ends of a ticket that a reopening or restoring undoes: the time between stands in the ledger as a pause."""

MAX_TARGET_S = 90 * 86_400
WARNING_PERCENTS = (50, 75, 90)
REOPEN_MODES = ("resume", "restart", "ignore")

DEFAULT_POLICY_ID = UUID("00000000-0000-7000-8000-000000000021")
"""The policy that the first migration makes: it matches everything and is asked last."""

_FAMILY = UUID("6d1c7f0e-52f5-5d0b-9a37-0f3c5c0f6a01")


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a policy. It is changed as long as it is a draft, never afterwards.

    Attributes:
        state: draft, active or retired.
        match: what tickets it is for; an empty rule matches all.
        targets_s: seconds of open time by clock kind and priority; a kind that is absent has no clock.
        calendar_id: by which time counts; `calendars` overrides it for a priority.
        pausing_holds: hold reasons under which the resolution clock stands still.
        next_response_pauses: whether the next_response clock stands still while the ticket is on hold.
        reopen: what a reopened ticket's resolution clock does: resume, restart or ignore.
        warning_percents: shares of a target at which to warn, lowest first.
        human_reply_only: whether only an agent's message is a response.
        fresh: clock kinds that begin anew when the policy or its target changes; all others carry on.
    """

    policy_id: UUID
    version: int
    state: str
    name: str
    targets_s: Mapping[str, Mapping[str, int]]
    calendar_id: UUID
    match: MatchRule = {}
    calendars: Mapping[str, UUID] = {}
    pausing_holds: tuple[str, ...] = ("third_party", "scheduled", "maintenance")
    next_response_pauses: bool = False
    warning_percents: tuple[int, ...] = WARNING_PERCENTS
    reopen: str = "resume"
    human_reply_only: bool = True
    fresh: tuple[str, ...] = ()
    created_at: datetime

    def target_s(self, kind: str, priority: str) -> int | None:
        """The target of a clock in seconds, None where it has none; an unknown priority counts as normal."""
        targets = self.targets_s.get(kind)
        return None if targets is None else targets.get(priority, targets.get("normal"))

    def pauses(self, kind: str, status: str, hold_reason: str) -> bool:
        """Whether a clock of this kind stands still in this state of the ticket."""
        if kind == RESOLUTION:
            return status == "pending_customer" or (status == "on_hold" and hold_reason in self.pausing_holds)
        return kind == NEXT_RESPONSE and status == "on_hold" and self.next_response_pauses


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force from a moment on, until the next revision: policies in their order, and calendar versions.

    A revision is written whenever a policy or a calendar takes effect, and never changed: so a fold that is done again
    in a year chooses as it chose today.
    """

    number: int
    effective_from: datetime
    policies: tuple[tuple[UUID, int], ...]
    calendars: Mapping[UUID, int]


class Pinned(NamedTuple):
    """What a ticket's clocks count by: a policy's version, in the revision by which it was chosen."""

    policy_id: UUID
    version: int
    revision: int


class Terms(NamedTuple):
    """What one clock counts by."""

    policy_id: UUID
    policy_version: int
    calendar_id: UUID
    calendar_version: int
    target_s: int


class Book:
    """All revisions with the policies and calendars that they name. It is read, never changed."""

    def __init__(
        self,
        revisions: Sequence[Revision],
        policies: Mapping[tuple[UUID, int], Policy],
        hours: Mapping[tuple[UUID, int], OpenHours],
    ) -> None:
        """Args: revisions: by number, which is also the order of their times; the first begins before all tickets."""
        self._revisions = {revision.number: revision for revision in revisions}
        self._newest_first = tuple(reversed(revisions))
        self._policies = policies
        self._hours = hours

    def choose(self, facts: Mapping[str, object], at: datetime) -> Pinned | None:
        """The first policy in force at that moment whose rule holds; None where there is none."""
        revision = next((each for each in self._newest_first if each.effective_from <= at), None)
        if revision is None:
            return None
        for policy_id, version in revision.policies:
            if matches(self._policies[policy_id, version].match, facts):
                return Pinned(policy_id, version, revision.number)
        return None

    def policy(self, policy_id: UUID, version: int) -> Policy:
        """A policy that some revision names."""
        return self._policies[policy_id, version]

    def hours(self, calendar_id: UUID, version: int) -> OpenHours:
        """A calendar that some revision names."""
        return self._hours[calendar_id, version]

    def terms(self, pinned: Pinned, kind: str, priority: str) -> Terms | None:
        """What a clock of this kind counts by; None where the policy has no such clock."""
        policy = self._policies[pinned.policy_id, pinned.version]
        target_s = policy.target_s(kind, priority)
        if target_s is None:
            return None
        calendar_id = policy.calendars.get(priority, policy.calendar_id)
        version = self._revisions[pinned.revision].calendars[calendar_id]
        return Terms(pinned.policy_id, pinned.version, calendar_id, version, target_s)


class Stretch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of a clock's life in which it ran, or stood still, under the same terms.

    Attributes:
        until: None while it lasts.
        consumed_us: open time within it once it has ended; 0 for a pause.
        cause: what began it, for instance "created", "pending_customer", "policy".
        unearned: a pause for the customer although nothing had been asked since the last word from there.
    """

    kind: str
    since: datetime
    until: datetime | None = None
    consumed_us: int = 0
    cause: str
    cause_event_id: UUID | None
    terms: Terms
    unearned: bool = False


class Clock(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One clock as of the last event that was folded into it; `judge` in `clocks` says what it is at a later moment.

    Attributes:
        state: running, paused, met, missed (satisfied after its target) or cancelled (ended without a verdict).
        consumed_us: open time of all stretches that have ended.
        deadline: when the target will have been consumed; None while it stands still.
        breached_at: when the target had passed; it stays, whatever a later policy says.
        ledger: the stretches, which tile the time from `started_at` to `ended_at`.
    """

    clock_id: UUID
    ticket_id: UUID
    kind: str
    cycle: int
    handoff_id: UUID | None = None
    state: str
    started_at: datetime
    target_s: int
    policy_id: UUID
    policy_version: int
    calendar_id: UUID
    calendar_version: int
    consumed_us: int = 0
    deadline: datetime | None = None
    breached_at: datetime | None = None
    breach_cause: str = ""
    ended_at: datetime | None = None
    end_reason: str = ""
    end_event_id: UUID | None = None
    ledger: tuple[Stretch, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it runs or stands still, but has not ended."""
        return self.state in OPEN_STATES

    @property
    def reopened_at(self) -> datetime | None:
        """When it ran on last because its ticket was reopened or restored; None: never."""
        ended = [each.until for each in self.ledger if each.kind == PAUSE and each.cause in _UNDONE and each.until]
        return max(ended, default=None)

    @property
    def is_late(self) -> bool:
        """Whether it still counts and more than its target has run, otherwise than by a change of policy alone."""
        return self.is_open and self.breached_at is not None and self.breach_cause != "policy_change"

    @property
    def may_return(self) -> bool:
        """Whether an event of the ordinary kind can still move it: a reopening, a restoring, another policy."""
        if self.state == VOID:
            return False
        if self.kind == HANDOFF_ACCEPT:
            return self.is_open
        return self.is_open or self.kind == RESOLUTION or self.end_reason in {CANCELLED, "policy"}

    @property
    def terms(self) -> Terms:
        """What it counts by."""
        return Terms(self.policy_id, self.policy_version, self.calendar_id, self.calendar_version, self.target_s)


def clock_id_of(ticket_id: UUID, kind: str, cycle: int) -> UUID:
    """The id of a clock: made of what it is, so that a fold from the beginning finds the clocks that were told of."""
    return uuid5(_FAMILY, f"{ticket_id}/{kind}/{cycle}")
