"""Settings of intake, beside those that every service has."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from common.settings import Duration, ServiceSettings, SettingsGroup


class IntakeGroup(SettingsGroup):
    """FRONTLINE_INTAKE_*."""

    reopen_window: Duration = Field(
        default=timedelta(days=7),
        le=timedelta(days=28),
        description="how long a resolved ticket may be reopened; afterwards the requester is heard on a follow-up",
    )
    close_after: Duration = Field(
        default=timedelta(days=7),
        ge=timedelta(hours=1),
        le=timedelta(days=28),
        description="after how long a resolved ticket closes by itself; at least the reopen window",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.close_after < self.reopen_window:
            raise ValueError("close_after must not be shorter than reopen_window")
        return self


class IntakeSettings(ServiceSettings):
    """Everything that an intake process is told."""

    intake: IntakeGroup = IntakeGroup()
