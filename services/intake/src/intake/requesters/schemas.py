"""What callers send and get about people and organisations."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from common.web import CommandModel, ResponseModel
from intake.requesters.domain import EMAIL_PATTERN, LANGUAGE_PATTERN, RequesterEdit


class EditRequesterBody(CommandModel):
    """Fields to change; absent ones stay, empty ones and `agent_id: null` are cleared. A person's key never changes."""

    email: str | None = Field(default=None, max_length=320, pattern=EMAIL_PATTERN)
    name: str | None = Field(default=None, max_length=300)
    language: str | None = Field(default=None, max_length=35, pattern=LANGUAGE_PATTERN, description="BCP 47")
    timezone: str | None = Field(default=None, max_length=64, description="an IANA name, for instance Europe/Berlin")
    agent_id: UUID | None = Field(default=None, description="the agent in routing's directory that the person is")

    def wanted(self) -> RequesterEdit:
        """What the use case takes."""
        return RequesterEdit(
            email=self.email,
            name=self.name,
            language=self.language,
            timezone=self.timezone,
            agent_id=self.agent_id,
            no_agent="agent_id" in self.model_fields_set and self.agent_id is None,
        )


class ListRequestersQuery(CommandModel):
    """Filters of the list, joined."""

    system: str | None = Field(default=None, max_length=100)
    external_id: str | None = Field(default=None, max_length=320)
    organisation: UUID | None = None
    cursor: str | None = Field(default=None, max_length=512, description="`next_cursor` of the page before")
    limit: Annotated[int, Field(ge=1, le=200, description="Items in one page")] = 50


class RequesterShown(ResponseModel):
    """A person."""

    id: UUID
    system: str
    external_id: str
    email: str
    name: str
    language: str
    organisation_id: UUID | None
    timezone: str
    agent_id: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime


class OrganisationShown(ResponseModel):
    """A customer of this installation."""

    id: UUID
    system: str
    external_id: str
    name: str
    timezone: str
    support_plan: str
    created_at: datetime
    updated_at: datetime
