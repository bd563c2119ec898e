"""Routing's settings: the shared groups and its own."""

from datetime import timedelta

from pydantic import Field

from common.settings import Duration, ServiceSettings, SettingsGroup


class RoutingGroup(SettingsGroup):
    """How the decider works."""

    batch: int = Field(default=200, ge=1, le=1_000, description="decisions that one transaction commits at most")
    log_retention: Duration = Field(
        default=timedelta(days=7), description="how long the log of what the engine was given is kept"
    )


class RoutingSettings(ServiceSettings):
    """Everything that a process of routing reads."""

    routing: RoutingGroup = RoutingGroup()
