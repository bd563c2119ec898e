"""Escalation's settings: the shared groups and its own."""

from datetime import timedelta
from typing import Literal

from pydantic import Field, SecretStr

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
    webhook_secret: SecretStr | None = Field(
        default=None, description="signs webhooks: whsec_ and 24 to 64 bytes in base64; without it none are sent"
    )
    webhook_allow_private: bool = Field(
        default=False, description="let webhooks go to addresses that are not public, and by plain HTTP"
    )
    smtp_host: str = Field(default="", description="mail server for notifications; empty sends no mail")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="its port")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        default="starttls", description="how it is spoken to: plainly, TLS after the greeting, or TLS from the start"
    )
    smtp_username: str = Field(default="", description="whom to sign in as; empty signs in as nobody")
    smtp_password: SecretStr | None = Field(default=None, description="the password to that")
    smtp_sender: str = Field(default="frontline@localhost", description="From address of mail")


class EscalationSettings(ServiceSettings):
    """Everything that a process of escalation reads."""

    peers: PeersSettings
    escalation: EscalationGroup = EscalationGroup()
