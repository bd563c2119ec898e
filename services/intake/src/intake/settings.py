"""Settings of intake, beside those that every service has."""

import ssl
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from common.certificates import check_files
from common.settings import Duration, ServiceSettings, SettingsGroup
from common.webhooks import Network


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

    webhooks_key: SecretStr | None = Field(
        default=None,
        description="seals the secrets of webhooks: 32 random bytes in URL-safe base64; of several by commas the first "
        "seals and all open; without it there are no webhooks",
    )
    webhooks_allowed_networks: str = Field(
        default="",
        description="networks by commas (10.2.0.0/16) that webhooks may go to though they are not public, and by HTTP",
    )
    webhooks_ca_file: Path | None = Field(
        default=None, description="file with authorities that webhooks trust beside the public ones"
    )
    webhooks_keep: Duration = Field(
        default=timedelta(days=14),
        ge=timedelta(days=7),
        le=timedelta(days=90),
        description="how long deliveries stay in the log; a disabled endpoint collects no longer than that",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.close_after < self.reopen_window:
            raise ValueError("close_after must not be shorter than reopen_window")
        self.webhook_networks()
        check_files(self.webhooks_ca_file)
        self.webhook_authorities()
        return self

    def webhook_networks(self) -> tuple[Network, ...]:
        """The networks, read.

        Raises:
            ValueError: one of them is none; names the setting.
        """
        given = [text.strip() for text in self.webhooks_allowed_networks.split(",") if text.strip()]
        try:
            return tuple(ip_network(text) for text in given)
        except ValueError as malformed:
            raise ValueError(f"webhooks_allowed_networks: {malformed}") from malformed

    def webhook_authorities(self) -> ssl.SSLContext | None:
        """Whose certificates webhooks trust; None are the public ones alone.

        Raises:
            ValueError: the file holds none.
        """
        if self.webhooks_ca_file is None:
            return None
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(self.webhooks_ca_file)
        except OSError as unusable:  # SSLError is one
            raise ValueError(
                f"webhooks_ca_file: {self.webhooks_ca_file} holds no certificates: {unusable}"
            ) from unusable
        return context


class IntakeSettings(ServiceSettings):
    """Everything that an intake process is told."""

    intake: IntakeGroup = IntakeGroup()
