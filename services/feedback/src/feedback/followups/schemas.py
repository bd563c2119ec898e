"""What callers send and get about follow-ups."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from common.web import CommandModel, ResponseModel
from feedback.followups.domain import MAX_NOTE, Followup, Outcome
from feedback.policies.domain import SurveyKind


class CloseBody(CommandModel):
    """How the task ended."""

    outcome: Outcome
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


class FollowupShown(ResponseModel):
    """A follow-up. `agent_id`: who had the largest part in the answer; `consented`: the person wants it reopened."""

    followup_id: UUID
    survey_id: UUID
    ticket_id: UUID
    requester_id: UUID
    resolution_seq: int
    kind: SurveyKind
    score: int
    answer_version: int
    consented: bool
    agent_id: UUID | None
    state: Literal["open", "reopen_requested", "closed"]
    outcome: str
    note: str
    closed_by: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    version: int


def show_followup(followup: Followup) -> FollowupShown:
    """The follow-up as callers see it."""
    return FollowupShown.model_validate(asdict(followup) | {"state": followup.state.value})
