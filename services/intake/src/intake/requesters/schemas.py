"""What callers get about people and organisations."""

from datetime import datetime
from uuid import UUID

from common.web import ResponseModel


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
