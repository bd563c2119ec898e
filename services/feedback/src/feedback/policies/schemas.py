"""What callers send and get about survey policies. Every text, list and number has a limit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StrictInt, model_validator

from common.match import MatchRule
from common.web import CommandModel, ResponseModel
from feedback.policies.domain import DAY_S, NPS_THROTTLE_S, LocalHours, Policy, PolicyVersion, Rules, SurveyKind

_MAX_WHOLE = 2**53
_DEFAULTS = Rules()
Text = Annotated[str, Field(max_length=200)]
Whole = Annotated[StrictInt, Field(ge=-_MAX_WHOLE, le=_MAX_WHOLE)]
Operand = Text | Whole | Annotated[list[Text | Whole], Field(max_length=100)]
Condition = Annotated[dict[Literal["eq", "in", "gte"], Operand], Field(min_length=1, max_length=3)]
Match = Annotated[
    dict[Annotated[str, Field(max_length=50)], Condition],
    Field(max_length=20, description="all conditions must hold: {field: {eq | in | gte: value}}"),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Priority = Annotated[StrictInt, Field(ge=1, le=100, description="1 is asked first")]
Delay = Annotated[StrictInt, Field(ge=0, le=28 * DAY_S, description="seconds after the resolution")]
Throttle = Annotated[StrictInt, Field(ge=0, le=365 * DAY_S, description="seconds; 0 is no limit")]
Reminder = Annotated[StrictInt, Field(ge=1, le=28 * DAY_S, description="seconds after sending; null is none")]
Life = Annotated[StrictInt, Field(ge=1, le=28 * DAY_S, description="seconds after sending")]
Percent = Annotated[StrictInt, Field(ge=0, le=100, description="of the resolutions")]
Channels = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=50)]],
    Field(max_length=50, description="channels on which nobody can be reached"),
]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be a time zone of the IANA database, for instance Europe/Berlin")
    return name


Zone = Annotated[str, Field(max_length=64, description="where theirs is not known"), AfterValidator(_known_zone)]


class LocalHoursBody(CommandModel):
    """From the hour `from` until before the hour `to` of the person's day."""

    begin: Annotated[StrictInt, Field(alias="from", ge=0, le=23)] = 9
    end: Annotated[StrictInt, Field(alias="to", ge=1, le=24)] = 18
    timezone: Annotated[
        str, Field(max_length=64, description="where theirs is not known"), AfterValidator(_known_zone)
    ] = "UTC"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin >= self.end:
            raise ValueError("from must be before to")
        return self

    def hours(self) -> LocalHours:
        """The hours as the use case takes them."""
        return LocalHours(begin=self.begin, end=self.end, timezone=self.timezone)


class RulesBody(CommandModel):
    """What a version says; what is absent is as in the newest version, and at first as in the shipped policy."""

    priority: Priority | None = None
    match: Match | None = None
    delay_s: Delay | None = None
    chat_delay_s: Delay | None = None
    local_hours: LocalHoursBody | None = None
    throttle_s: Throttle | None = None
    reminder_after_s: Reminder | None = None
    life_s: Life | None = None
    sample_percent: Percent | None = None
    closed_channels: Channels | None = None

    def changes(self) -> dict[str, object]:
        """The fields that were given; null says "none" where a rule can be none, and elsewhere nothing."""
        given: dict[str, object] = {}
        for name in self.model_fields_set & set(RulesBody.model_fields):
            value = getattr(self, name)
            if value is None and name not in {"local_hours", "reminder_after_s"}:
                continue
            given[name] = value
        if isinstance(given.get("local_hours"), LocalHoursBody):
            given["local_hours"] = self.local_hours.hours() if self.local_hours else None
        if self.closed_channels is not None:
            given["closed_channels"] = tuple(dict.fromkeys(self.closed_channels))
        if self.match is not None:
            given["match"] = _rule(self.match)
        return given


class AddPolicyBody(RulesBody):
    """A new policy, with a draft as its first version."""

    name: Name
    kind: SurveyKind = SurveyKind.CSAT_5

    def rules(self) -> Rules:
        """The first version's rules."""
        throttle_s = NPS_THROTTLE_S if self.kind is SurveyKind.NPS_11 else _DEFAULTS.throttle_s
        values: dict[str, object] = {"throttle_s": throttle_s} | self.changes()
        return Rules(**values)  # pyright: ignore[reportArgumentType] - checked field by field by the model


class LocalHoursShown(ResponseModel):
    """See `LocalHoursBody`."""

    begin: int = Field(serialization_alias="from")
    end: int = Field(serialization_alias="to")
    timezone: str


class VersionShown(ResponseModel):
    """A version of a policy."""

    version: int
    state: Literal["draft", "active", "retired"]
    priority: int
    match: Match
    delay_s: int
    chat_delay_s: int
    local_hours: LocalHoursShown | None
    throttle_s: int
    reminder_after_s: int | None
    life_s: int
    sample_percent: int
    closed_channels: list[str]
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None


class PolicyShown(ResponseModel):
    """A policy. `active_version` null: it asks nobody."""

    policy_id: UUID
    name: str
    kind: SurveyKind
    active_version: int | None
    versions: list[VersionShown]
    created_at: datetime


def show_policy(policy: Policy) -> PolicyShown:
    """The policy as callers see it."""
    return PolicyShown(
        policy_id=policy.policy_id,
        name=policy.name,
        kind=policy.kind,
        active_version=policy.active.version if policy.active else None,
        versions=[_show_version(each) for each in policy.versions],
        created_at=policy.created_at,
    )


def _show_version(version: PolicyVersion) -> VersionShown:
    rules = version.rules
    hours = rules.local_hours
    return VersionShown.model_validate(
        {
            "version": version.version,
            "state": version.state.value,
            "priority": rules.priority,
            "match": rules.match,
            "delay_s": rules.delay_s,
            "chat_delay_s": rules.chat_delay_s,
            "local_hours": {"begin": hours.begin, "end": hours.end, "timezone": hours.timezone} if hours else None,
            "throttle_s": rules.throttle_s,
            "reminder_after_s": rules.reminder_after_s,
            "life_s": rules.life_s,
            "sample_percent": rules.sample_percent,
            "closed_channels": list(rules.closed_channels),
            "created_at": version.created_at,
            "activated_at": version.activated_at,
            "retired_at": version.retired_at,
        }
    )


def _rule(match: Mapping[str, Mapping[Literal["eq", "in", "gte"], object]]) -> MatchRule:
    return {name: {str(operator): operand for operator, operand in each.items()} for name, each in match.items()}
