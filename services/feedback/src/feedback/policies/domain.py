"""Survey policies and the kinds of questions that they ask."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from common.errors import Conflict
from common.match import MatchRule

DEFAULT_POLICY_ID = UUID("00000000-0000-7000-8000-000000000001")
"""Comes with the schema and matches every ticket, after all others."""

MATCH_FIELDS = frozenset({"category", "channel", "language", "priority", "system"})
CHAT = "chat"

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
DEFAULT_DELAY_S = DAY_S
DEFAULT_CHAT_DELAY_S = 120
DEFAULT_LIFE_S = 14 * DAY_S
DEFAULT_REMINDER_AFTER_S = 72 * HOUR_S
DEFAULT_THROTTLE_S = 7 * DAY_S
NPS_THROTTLE_S = 90 * DAY_S
DEFAULT_CLOSED_CHANNELS = ("alert",)
"""Nobody reads what is sent to a monitoring system."""


class SurveyKind(StrEnum):
    """What is asked: satisfaction, thumbs, recommendation, or effort."""

    CSAT_5 = "csat_5"
    THUMBS = "thumbs"
    NPS_11 = "nps_11"
    CES_7 = "ces_7"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The scores of a kind of survey, both ends included: good from `positive_from` on, bad up to `bad_to`."""

    least: int
    most: int
    positive_from: int
    bad_to: int

    def normalise(self, score: int) -> float:
        """The score from 0 (worst) to 1 (best)."""
        return (score - self.least) / (self.most - self.least)

    def is_positive(self, score: int) -> bool:
        """Whether the person is content."""
        return score >= self.positive_from

    def is_bad(self, score: int) -> bool:
        """Whether somebody should look after the person."""
        return score <= self.bad_to


SCALES: Mapping[SurveyKind, Scale] = {
    SurveyKind.CSAT_5: Scale(least=1, most=5, positive_from=4, bad_to=2),
    SurveyKind.THUMBS: Scale(least=0, most=1, positive_from=1, bad_to=0),
    # Promoters give 9 or 10, detractors 0 to 6: Reichheld, Harvard Business Review, December 2003.
    SurveyKind.NPS_11: Scale(least=0, most=10, positive_from=9, bad_to=6),
    SurveyKind.CES_7: Scale(least=1, most=7, positive_from=5, bad_to=3),
}


class VersionState(StrEnum):
    """A draft has no effect; one version of a policy at a time is active; a retired one still rules what it began."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalHours:
    """People are written to from the hour `begin` until before the hour `end` of their own day.

    `timezone` (IANA) counts where theirs is not known.
    """

    begin: int = 9
    end: int = 18
    timezone: str = "UTC"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a version says.

    Attributes:
        priority: 1 is asked first; of the policies of one kind, the first that matches asks.
        match: over `MATCH_FIELDS`; empty matches every ticket.
        chat_delay_s: for chats, where it is shorter than `delay_s`.
        throttle_s: nobody is asked twice by surveys of this kind within so long; 0 is no limit.
        reminder_after_s: after sending, once; None is never.
        life_s: after sending; then the link no longer works.
        sample_percent: of the resolutions, chosen by a hash of their ids.
        closed_channels: on these nobody can be reached.
    """

    priority: int = 100
    match: MatchRule = field(default_factory=dict[str, Mapping[str, object]])
    delay_s: int = DEFAULT_DELAY_S
    chat_delay_s: int = DEFAULT_CHAT_DELAY_S
    local_hours: LocalHours | None = LocalHours()
    throttle_s: int = DEFAULT_THROTTLE_S
    reminder_after_s: int | None = DEFAULT_REMINDER_AFTER_S
    life_s: int = DEFAULT_LIFE_S
    sample_percent: int = 100
    closed_channels: tuple[str, ...] = DEFAULT_CLOSED_CHANNELS

    def delay_of(self, channel: str) -> int:
        """Seconds between a resolution on this channel and the question."""
        return min(self.delay_s, self.chat_delay_s) if channel == CHAT else self.delay_s


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyVersion:
    """A version of a policy; its rules never change."""

    policy_id: UUID
    version: int
    kind: SurveyKind
    state: VersionState
    rules: Rules
    created_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy with its versions, oldest first."""

    policy_id: UUID
    name: str
    kind: SurveyKind
    created_at: datetime
    versions: tuple[PolicyVersion, ...]

    @property
    def active(self) -> PolicyVersion | None:
        """The version in force."""
        return next((each for each in self.versions if each.state is VersionState.ACTIVE), None)


def draft(policy: Policy, rules: Rules, *, now: datetime) -> PolicyVersion:
    """The next version of a policy."""
    number = policy.versions[-1].version + 1 if policy.versions else 1
    return PolicyVersion(
        policy_id=policy.policy_id,
        version=number,
        kind=policy.kind,
        state=VersionState.DRAFT,
        rules=rules,
        created_at=now,
    )


def activate(policy: Policy, number: int, *, now: datetime) -> Policy:
    """The policy with this version in force and the former one retired; the same value where it is in force already.

    Raises:
        Conflict: `version_retired`: make a new version with its rules.
    """
    chosen = next(each for each in policy.versions if each.version == number)
    if chosen.state is VersionState.ACTIVE:
        return policy
    if chosen.state is VersionState.RETIRED:
        raise Conflict("this version is retired; make a new one", code="version_retired")
    return replace(policy, versions=tuple(_moved(each, number, now) for each in policy.versions))


def retire(policy: Policy, number: int, *, now: datetime) -> Policy:
    """The policy without this version; the same value where it is retired already."""
    chosen = next(each for each in policy.versions if each.version == number)
    if chosen.state is VersionState.RETIRED:
        return policy
    ended = replace(chosen, state=VersionState.RETIRED, retired_at=now)
    return replace(policy, versions=tuple(ended if each is chosen else each for each in policy.versions))


def _moved(each: PolicyVersion, chosen: int, now: datetime) -> PolicyVersion:
    if each.version == chosen:
        return replace(each, state=VersionState.ACTIVE, activated_at=now)
    if each.state is VersionState.ACTIVE:
        return replace(each, state=VersionState.RETIRED, retired_at=now)
    return each
