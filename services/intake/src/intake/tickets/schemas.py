"""What callers send about tickets. Every text, list and number has a limit."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StrictBool, StrictFloat, StrictInt

from common.errors import InvalidInput
from common.web import CommandModel, Moment
from contracts.words import SkillNeed
from intake.requesters.domain import EMAIL_PATTERN, LANGUAGE_PATTERN, GivenOrganisation, GivenRequester, given_requester
from intake.tickets.domain import (
    MAX_CUSTOM_FIELDS,
    MAX_TAGS,
    CancelReason,
    HandoffState,
    HoldReason,
    Priority,
    ResolutionCode,
    RoutingState,
    SlaState,
    Status,
)
from intake.tickets.edits import Edit
from intake.tickets.opening import NewTicket

_MAX_WHOLE = 2**53
"""Whole numbers up to here are the same in every JSON reader (RFC 8259, section 6)."""


def _only_fraction(given: object) -> object:
    # Pydantic would take a whole number that is out of bounds as a fraction, and round it.
    if not isinstance(given, float):
        raise ValueError("must be a fraction")
    return given


Level = Annotated[StrictInt, Field(ge=1, le=4, description="1 is the most")]
Word = Annotated[str, Field(max_length=200)]
Subject = Annotated[str, Field(min_length=1, max_length=300)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]
Language = Annotated[str, Field(max_length=35, pattern=LANGUAGE_PATTERN, description="BCP 47")]
CustomName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Whole = Annotated[StrictInt, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
Fraction = Annotated[StrictFloat, BeforeValidator(_only_fraction), Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
CustomText = Annotated[str, Field(max_length=1000)]
Custom = Annotated[
    dict[CustomName, CustomText | StrictBool | Whole | Fraction | None], Field(max_length=MAX_CUSTOM_FIELDS)
]
Tier = Annotated[StrictInt, Field(ge=1, le=3)]


class OrganisationBody(CommandModel):
    """An organisation, given along with a person."""

    external_id: str = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=300)


class RequesterBody(CommandModel):
    """A person: by `id` if known here, else by `system` and `external_id`, else by `email`."""

    id: UUID | None = None
    system: str = Field(default="", max_length=100)
    external_id: str = Field(default="", max_length=200)
    email: str = Field(default="", max_length=320, pattern=EMAIL_PATTERN)
    name: str = Field(default="", max_length=300)
    language: Language = ""
    timezone: str = Field(default="", max_length=64, description="an IANA name, for instance Europe/Berlin")
    agent_id: UUID | None = Field(default=None, description="the agent that the person is, where a colleague asks")
    organisation: OrganisationBody | None = None

    def given(self) -> GivenRequester | UUID:
        """The person as the use case takes them.

        Raises:
            InvalidInput: no way, half a way or two ways of naming them.
        """
        if self.id is None:
            organisation = self.organisation
            return given_requester(
                system=self.system,
                external_id=self.external_id,
                email=self.email,
                name=self.name,
                language=self.language,
                timezone=self.timezone,
                agent_id=self.agent_id,
                organisation=GivenOrganisation(external_id=organisation.external_id, name=organisation.name)
                if organisation
                else None,
            )
        if self.model_fields_set - {"id"}:
            raise InvalidInput(
                "a requester named by id is named by nothing else", pointers=[("/requester", "id alone")]
            )
        return self.id


class SourceBody(CommandModel):
    """Where a ticket comes from; `system` and `external_ref` together are its natural key."""

    channel: str = Field(min_length=1, max_length=50)
    system: str = Field(default="", max_length=100)
    external_ref: str = Field(default="", max_length=200)


class SkillBody(CommandModel):
    """A skill that the work needs: `level` at first, never below `hard_level` (0: may be dropped)."""

    skill: str = Field(min_length=1, max_length=100)
    level: Annotated[StrictInt, Field(ge=1, le=5)] = 1
    hard_level: Annotated[StrictInt, Field(ge=0, le=5)] = 0

    def need(self) -> SkillNeed:
        """The value that events carry."""
        return SkillNeed(skill=self.skill, level=self.level, hard_level=self.hard_level)


Skills = Annotated[list[SkillBody], Field(max_length=20)]


class OpenTicketBody(CommandModel):
    """A ticket to be opened. `priority` follows impact and urgency unless it is given with its reason."""

    subject: Subject
    requester: RequesterBody
    source: SourceBody
    description: str = Field(default="", max_length=20_000, description="the first message")
    organisation_id: UUID | None = None
    category: Word = ""
    component: Word = ""
    product: Word = ""
    impact: Level = 3
    urgency: Level = 3
    priority: Priority | None = None
    priority_reason: str = Field(default="", max_length=500)
    language: Language = ""
    tags: Tags = Field(default=[])
    custom: Custom = Field(default={})
    skills_hint: Skills = Field(default=[])
    tier_required: Tier = 1
    proactive: StrictBool = False
    follow_up_of: UUID | None = Field(default=None, description="the ticket that this one continues, whoever's it is")

    def wanted(self) -> NewTicket:
        """What the use case takes.

        Raises:
            InvalidInput: the requester or the natural key is named by halves.
        """
        if bool(self.source.system) != bool(self.source.external_ref):
            missing = "external_ref" if self.source.system else "system"
            fault = (f"/source/{missing}", "system and external_ref go together")
            raise InvalidInput("the natural reference is incomplete", pointers=[fault])
        return NewTicket(
            subject=self.subject,
            requester=self.requester.given(),
            channel=self.source.channel,
            system=self.source.system,
            external_ref=self.source.external_ref,
            description=self.description,
            organisation_id=self.organisation_id,
            category=self.category,
            component=self.component,
            product=self.product,
            impact=self.impact,
            urgency=self.urgency,
            priority=self.priority,
            priority_reason=self.priority_reason,
            language=self.language,
            tags=tuple(self.tags),
            custom=self.custom,
            skills=tuple(skill.need() for skill in self.skills_hint),
            tier_required=self.tier_required,
            proactive=self.proactive,
            follow_up_of=self.follow_up_of,
        )


class EditTicketBody(CommandModel):
    """Fields to change; absent ones stay. `priority: null` takes an override back, `organisation_id: null` clears it.

    `custom` is merged: a field given as null is removed.
    """

    subject: Subject | None = None
    impact: Level | None = None
    urgency: Level | None = None
    priority: Priority | None = None
    priority_reason: str = Field(default="", max_length=500)
    language: Language | None = None
    product: Word | None = None
    tags: Tags | None = None
    custom: Custom | None = None
    organisation_id: UUID | None = None

    def wanted(self) -> Edit:
        """What the use case takes."""
        given = self.model_fields_set
        return Edit(
            subject=self.subject,
            impact=self.impact,
            urgency=self.urgency,
            priority=self.priority,
            priority_reason=self.priority_reason,
            use_matrix="priority" in given and self.priority is None,
            language=self.language,
            product=self.product,
            tags=None if self.tags is None else tuple(self.tags),
            custom=self.custom,
            organisation_id=self.organisation_id,
            no_organisation="organisation_id" in given and self.organisation_id is None,
        )


class ClassifyBody(CommandModel):
    """The whole triage: what is left out is emptied. `by` is the agent who acts, unless said otherwise."""

    category: Word = ""
    component: Word = ""
    skills_required: Skills = Field(default=[])
    tier_required: Tier = 1
    by: Literal["rule", "agent", "model", "requester", "system"] | None = None


class RaisePriorityBody(CommandModel):
    """Why it is more pressing than before; without `to`, by one step."""

    reason: Reason
    to: Priority | None = None


class HoldBody(CommandModel):
    """Why to wait, and until when; `resume_at` is required for scheduled and maintenance, at most 90 days ahead."""

    hold_reason: HoldReason
    resume_at: Moment | None = None


class ResolveBody(CommandModel):
    """How it was solved; `skip_reason` says why no solution was evaluated."""

    resolution_code: ResolutionCode
    resolution_summary: str = Field(min_length=1, max_length=4000)
    skip_reason: str = Field(default="", max_length=500)


class CancelBody(CommandModel):
    """Why it ends without a resolution."""

    reason: CancelReason


Several = Field(default=[], max_length=50)


class ListTicketsQuery(CommandModel):
    """Filters of the list. Values of one filter are alternatives, filters are joined; every tag given is needed.

    `tier` is the tier that the ticket requires, `queue` the desk that its work was in last. `handoff_state` is that of
    the latest handoff, `sla_state` the worst of the clocks shown. Times are exclusive.
    """

    status: list[Status] = Several
    priority: list[Priority] = Several
    assignee: list[UUID] = Several
    tier: list[Annotated[int, Field(ge=1, le=3)]] = Several
    queue: list[UUID] = Several
    routing_state: list[RoutingState] = Several
    escalation_level: list[Annotated[int, Field(ge=0, le=1000)]] = Several
    handoff_state: list[HandoffState] = Several
    sla_state: list[SlaState] = Several
    tag: list[Tag] = Several
    requester: list[UUID] = Several
    organisation: list[UUID] = Several
    number: list[Annotated[int, Field(ge=1, le=_MAX_WHOLE)]] = Several
    created_after: Moment | None = None
    created_before: Moment | None = None
    updated_after: Moment | None = None
    updated_before: Moment | None = None
    sort: Literal["created_at", "-created_at", "updated_at", "-updated_at"] = "-created_at"
    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor` of the page before")
    limit: int = Field(default=50, ge=1, le=200, description="Items in one page")
