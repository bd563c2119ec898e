"""Settings of intake, beside those that every service has."""

from datetime import timedelta

from pydantic import Field

from common.settings import Duration, ServiceSettings, SettingsGroup


class IntakeGroup(SettingsGroup):
    """FRONTLINE_INTAKE_*."""

    reopen_window: Duration = Field(
        default=timedelta(days=7),
        le=timedelta(days=90),
        description="how long a resolved ticket may be reopened; afterwards the requester is heard on a follow-up",
    )


class IntakeSettings(ServiceSettings):
    """Everything that an intake process is told."""

    intake: IntakeGroup = IntakeGroup()
