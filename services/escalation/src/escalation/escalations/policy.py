"""Escalation policies: ordered, versioned, immutable. Which run begins when, and which steps it takes.

For one cause the policies are asked in the order of `priority`, 1 first: the first whose active version is for that
trigger and clock, and whose match rule holds, runs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from common.errors import Conflict, InvalidInput
from common.match import MatchRule, check_rule, matches
from common.webhooks import UnusableUrl, read_url
from escalation.escalations.domain import BREACH_PERCENT, Trigger
from escalation.notifications.domain import UnusableAddress, check_mail_address
from escalation.tickets.domain import MATCH_FIELDS

DEFAULT_ID = UUID("00000000-0000-7000-8000-000000000031")
CALLED_ID = UUID("00000000-0000-7000-8000-000000000032")
UNROUTABLE_ID = UUID("00000000-0000-7000-8000-000000000033")
"""The policies that the third migration makes."""

CONDITION = re.compile(r"not_acked|not_resolved|unroutable|sla_pct>=(?P<percent>[1-9][0-9]?|100)")
TARGET = re.compile(
    r"owner|team_lead|tier:(?P<tier>[1-3])|team:(?P<team>[^\s,:\x00][^,:\x00]{0,99})|agent:(?P<agent>[0-9a-f-]{36})"
    r"|email:(?P<email>[^\s@,<>]{1,64}@[^\s@,<>]{1,190})"
)


class Action(StrEnum):
    """What a step does."""

    NOTIFY = "notify"
    RAISE_PRIORITY = "raise_priority"
    RAISE_TIER = "raise_tier"
    HANDOFF = "handoff"
    WEBHOOK = "webhook"


class StepClock(StrEnum):
    """How `after_s` counts: as clocks on the wall go, or in the open time of the policy's calendar."""

    WALL = "wall"
    BUSINESS = "business"


class VersionState(StrEnum):
    """A draft may become active; an active or draft one may be retired, for good."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One step.

    Attributes:
        after_s: from the beginning of the round, or from when the percent was reached with `sla_pct>=n`.
        when: `not_acked`, `not_resolved` (both hold whenever a step is taken at all), `unroutable` (nobody owns the
            ticket; else the step is passed over) or `sla_pct>=n` (the step waits for it).
        targets: with `NOTIFY`: `owner`, `team_lead`, `tier:<n>`, `team:<name>`, `agent:<id>`, `email:<address>`.
        url: with `WEBHOOK`.
        tier: with `HANDOFF`, the least tier of the receiver; 0 is one above the owner's.
    """

    after_s: int
    action: Action
    clock: StepClock = StepClock.WALL
    when: str = "not_resolved"
    targets: tuple[str, ...] = ()
    url: str = ""
    tier: int = 0

    @property
    def percent(self) -> int:
        """What it waits for; 0 where that is no percent."""
        found = CONDITION.fullmatch(self.when)
        return int(found["percent"] or 0) if found else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of a policy; its content never changes.

    Attributes:
        clocks: kinds of clocks that `sla` is about; empty is every kind.
        rounds: how often all steps are repeated, `repeat_after_s` after the last one; so long after the very last step
            a run is exhausted.
        leads: who `team_lead` is; empty: the highest tier of the owner's teams.
        calendar_id: whose open time business steps count.
    """

    policy_id: UUID
    version: int
    state: VersionState
    match: MatchRule
    triggers: tuple[Trigger, ...]
    clocks: tuple[str, ...]
    steps: tuple[Step, ...]
    rounds: int
    repeat_after_s: int
    ack_timeout_s: int
    leads: tuple[UUID, ...]
    calendar_id: UUID
    created_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None

    @property
    def starts_at_percent(self) -> int:
        """With which warning a run begins: the least that a step waits for; a breach where none does."""
        return min((step.percent for step in self.steps if step.percent), default=BREACH_PERCENT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy: its place in the order, and its versions, newest last."""

    policy_id: UUID
    name: str
    priority: int
    created_at: datetime
    version: int = 1
    versions: tuple[Version, ...] = ()


def check_version(version: Version) -> None:
    """Refuse what could never run.

    Raises:
        InvalidInput: with a pointer to each fault.
    """
    faults: list[tuple[str, str]] = []
    try:
        check_rule(version.match, MATCH_FIELDS)
    except InvalidInput as unusable:
        faults += [(f"/match{pointer}", fault) for pointer, fault in unusable.pointers]
    for place, step in enumerate(version.steps):
        faults += [(f"/steps/{place}{pointer}", fault) for pointer, fault in _faults_of(step)]
        if step.percent and version.triggers != (Trigger.SLA,):
            faults.append((f"/steps/{place}/when", "only a policy for clocks alone can wait for a percent"))
    if faults:
        raise InvalidInput("the policy cannot be used", pointers=faults)


def choose(
    active: Sequence[Version], *, trigger: Trigger, facts: Mapping[str, object], clock_kind: str = ""
) -> Version | None:
    """The version that is for this cause, of active ones in the order in which they are asked; None: nothing runs."""
    for version in active:
        fits_clock = trigger is not Trigger.SLA or not version.clocks or clock_kind in version.clocks
        if trigger in version.triggers and fits_clock and matches(version.match, facts):
            return version
    return None


def check_draft(version: Version) -> None:
    """Raises: Conflict: `policy_not_draft`, only a draft can become active."""
    if version.state is not VersionState.DRAFT:
        raise Conflict(f"the version is {version.state}, not a draft", code="policy_not_draft")


def _faults_of(step: Step) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    if not CONDITION.fullmatch(step.when):
        faults.append(("/when", "must be not_acked, not_resolved, unroutable or sla_pct>=1 to 100"))
    for place, target in enumerate(step.targets):
        if not _is_target(target):
            known = "owner, team_lead, tier:1 to 3, team:<name>, agent:<id>, email:<address>"
            faults.append((f"/targets/{place}", f"must be one of {known}"))
    if (step.action is Action.NOTIFY) != bool(step.targets):
        faults.append(("/targets", "belong to notify, which needs one at least"))
    if (step.action is Action.WEBHOOK) != bool(step.url):
        faults.append(("/url", "belongs to webhook, which needs it"))
    elif step.url and (fault := _fault_of_url(step.url)):
        faults.append(("/url", fault))
    if step.tier and step.action is not Action.HANDOFF:
        faults.append(("/tier", "belongs to handoff"))
    return faults


def _is_target(target: str) -> bool:
    """Whether every step with this target could be taken: what looks like one but means nothing would fail each run."""
    found = TARGET.fullmatch(target)
    if found is None:
        return False
    try:
        if found["agent"]:
            UUID(found["agent"])
        if found["email"]:
            check_mail_address(found["email"])
    except (ValueError, UnusableAddress):
        return False
    return True


def _fault_of_url(url: str) -> str:
    try:
        read_url(url)
    except UnusableUrl as unusable:
        return str(unusable)
    return ""
