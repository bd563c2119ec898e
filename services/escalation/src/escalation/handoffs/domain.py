"""A handoff: who asks whom, with what, and how it ended. Tiers: 1 entry, 2 mid, 3 senior."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypedDict
from uuid import UUID

from common.errors import Conflict, Forbidden
from contracts.registry import Body
from contracts.words import SkillNeed

DECLINES_TO_END = 3
"""So many candidates who said no end the handoff."""


class State(StrEnum):
    """Where a handoff stands. Only a draft and a requested one can still become an acceptance."""

    DRAFT = "draft"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    COMPLETED = "completed"


class Reason(StrEnum):
    """Why a ticket is handed over. `breach` and `returned` are the platform's own."""

    NEEDS_EXPERTISE = "needs_expertise"
    NEEDS_ACCESS = "needs_access"
    NEEDS_SENIORITY = "needs_seniority"
    SHIFT_END = "shift_end"
    WORKLOAD = "workload"
    CUSTOMER_REQUEST = "customer_request"
    BREACH = "breach"
    RETURNED = "returned"
    OTHER = "other"


class DeclineReason(StrEnum):
    """Why an agent does not take it."""

    BUSY = "busy"
    MISSING_SKILL = "missing_skill"
    MISSING_ACCESS = "missing_access"
    PACKAGE_INCOMPLETE = "package_incomplete"
    WRONG_ADDRESSEE = "wrong_addressee"
    OTHER = "other"


class ReturnReason(StrEnum):
    """Why the receiver gives it back."""

    ADVICE_GIVEN = "advice_given"
    PART_DONE = "part_done"
    NEEDS_CUSTOMER = "needs_customer"
    PACKAGE_INCOMPLETE = "package_incomplete"
    WRONG_ADDRESSEE = "wrong_addressee"
    OTHER = "other"


NOBODY_LEFT = "nobody_left"
"""Why a handoff is declined that nobody could take, or nobody who has not declined yet."""

RAISES_TIER = frozenset({Reason.NEEDS_EXPERTISE, Reason.NEEDS_SENIORITY})
"""With these, unless the sender says otherwise, at least one tier above the sender's is asked."""

ENDED = frozenset({State.DECLINED, State.EXPIRED, State.WITHDRAWN})
"""The sender stays the owner."""


class HandoffOpen(Conflict):
    """Another handoff of this ticket waits for somebody to accept it."""

    code = "handoff_open"


class NotOwner(Conflict):
    """Only the ticket's present owner can hand it over or give it back."""

    code = "not_owner"


class TicketOver(Conflict):
    """The ticket is resolved, closed, cancelled or merged: nobody needs to take it over."""

    code = "ticket_over"


class NotYours(Forbidden):
    """This handoff is another agent's to answer for."""

    code = "not_your_handoff"


class WrongState(Conflict):
    """The handoff's state does not allow this."""

    code = "handoff_state"


class AlreadyAccepted(WrongState):
    """Somebody accepted the handoff first."""

    code = "handoff_accepted"


class NotOffered(Conflict):
    """This handoff is not being offered to this agent now."""

    code = "not_offered"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTried:
    """Something that was done, and what came of it."""

    step: str
    outcome: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """What may be the cause; `state` is `open, supported` or `refuted`."""

    text: str
    state: str = "open"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """The package. A text is filled when it is not blank; a list when it is given, where an empty one says "none".

    Only of the environment and of the steps tried there must be at least one: nobody hands over what nobody looked at.
    """

    restatement: str = ""
    impact_and_scope: str = ""
    environment: Mapping[str, str] | None = None
    timeline_summary: str = ""
    steps_tried: tuple[StepTried, ...] | None = None
    hypotheses: tuple[Hypothesis, ...] | None = None
    evidence: tuple[str, ...] | None = None
    ask: str = ""
    customer_mood: str = ""
    promises_made: tuple[str, ...] | None = None
    deadlines_left: str = ""


class PackageChanges(TypedDict, total=False):
    """The fields that a command gives anew; those left out stay."""

    restatement: str
    impact_and_scope: str
    environment: Mapping[str, str] | None
    timeline_summary: str
    steps_tried: tuple[StepTried, ...] | None
    hypotheses: tuple[Hypothesis, ...] | None
    evidence: tuple[str, ...] | None
    ask: str
    customer_mood: str
    promises_made: tuple[str, ...] | None
    deadlines_left: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """How long things may take.

    Attributes:
        life: from the request until it expires.
        accept_within: until somebody should have accepted, told as the deadline.
        package_within: until what an emergency's package lacks is due.
    """

    life: timedelta
    accept_within: timedelta
    package_within: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Addressee:
    """Whom a handoff is for. An agent alone, unless a tier or teams are named too: then that agent first."""

    agent_id: UUID | None = None
    tier: int | None = None
    teams: tuple[str, ...] = ()
    skills: tuple[SkillNeed, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Handoff:
    """One handoff.

    Attributes:
        version: counts commands, not what was heard.
        ending: why it was recalled, or ended; "" as long as nothing speaks against an acceptance.
        offer_id: routing's open offer to `offered_to`; None while nobody is being asked.
        declines: candidates who said no; `decline_code` and `declined_by` are the last one's.
        sender_left: the sender's ownership ended because they left.
        resolved_by: who owned the ticket when it was resolved under an open handoff.
        returned_by: the handoff that gives this one back.
        requester_id: whose erasure takes package, findings and note with it.
    """

    handoff_id: UUID
    ticket_id: UUID
    requester_id: UUID
    state: State
    from_agent_id: UUID
    from_tier: int
    reason_code: Reason
    tier_required: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    emergency: bool = False
    to_agent_id: UUID | None = None
    only_agent: bool = False
    to_teams: tuple[str, ...] = ()
    skills: tuple[SkillNeed, ...] = ()
    return_of: UUID | None = None
    package: Package = field(default_factory=Package)
    package_due_at: datetime | None = None
    package_completed_at: datetime | None = None
    package_reminded_at: datetime | None = None
    requested_at: datetime | None = None
    deadline: datetime | None = None
    expires_at: datetime | None = None
    offer_id: UUID | None = None
    offered_to: UUID | None = None
    offer_expires_at: datetime | None = None
    declines: int = 0
    decline_code: str = ""
    declined_by: UUID | None = None
    sender_left: bool = False
    ending: str = ""
    ended_at: datetime | None = None
    receiver_id: UUID | None = None
    receiver_tier: int | None = None
    assignment_id: UUID | None = None
    accepted_at: datetime | None = None
    customer_informed_at: datetime | None = None
    resolved_by: UUID | None = None
    return_reason: str = ""
    findings: str = ""
    teaching_note: str = ""
    returned_by: UUID | None = None
    version: int = 1

    @property
    def owes_package(self) -> bool:
        """Whether its package is still to come, and nobody was reminded of that."""
        is_open = self.state in (State.REQUESTED, State.ACCEPTED)
        owed = self.package_due_at is not None and self.package_completed_at is None
        return is_open and owed and self.package_reminded_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The handoff afterwards, and the events that tell it."""

    handoff: Handoff
    events: tuple[Body, ...] = ()
