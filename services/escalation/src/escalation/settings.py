"""Escalation's settings: the shared groups and its own."""

from datetime import timedelta

from pydantic import Field

from common.settings import Duration, PeersSettings, ServiceSettings, SettingsGroup


class EscalationGroup(SettingsGroup):
    """FRONTLINE_ESCALATION_*."""

    handoff_life: Duration = Field(
        default=timedelta(hours=2),
        ge=timedelta(minutes=1),
        description="after which a handoff that nobody took expires",
    )
    handoff_accept_within: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(minutes=1),
        description="within which somebody should accept a handoff: the deadline that is told",
    )
    handoff_package_within: Duration = Field(
        default=timedelta(minutes=30),
        ge=timedelta(minutes=1),
        description="within which the package of an emergency is due",
    )


class EscalationSettings(ServiceSettings):
    """Everything that a process of escalation reads."""

    peers: PeersSettings
    escalation: EscalationGroup = EscalationGroup()
