"""Databases of the services for tests: each a copy of one that was migrated once in this run."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
from pydantic import SecretStr

import escalation.app
import feedback.app
import intake.app
import routing.app
from common.migrate import migrate
from common.settings import DatabaseSettings
from tests.support.servers import Servers

_MIGRATIONS = {
    "intake": intake.app.MIGRATIONS,
    "routing": routing.app.MIGRATIONS,
    "escalation": escalation.app.MIGRATIONS,
    "feedback": feedback.app.MIGRATIONS,
}


def patient_settings(url: str, *, pool_size: int) -> DatabaseSettings:
    """Settings under which no statement fails because the machine is slow, for tests of what is answered in the end."""
    return DatabaseSettings(
        url=SecretStr(url),
        pool_size=pool_size,
        pool_timeout=timedelta(seconds=60),
        connect_timeout=timedelta(seconds=60),
        statement_timeout=timedelta(seconds=60),
        lock_timeout=timedelta(seconds=30),
    )


class Databases:
    """Gives databases, and remembers those that it copies from."""

    def __init__(self, servers: Servers) -> None:
        """Args: servers: where they are made."""
        self._servers = servers
        self._migrated: dict[str, str] = {}

    @asynccontextmanager
    async def of(self, service: str) -> AsyncGenerator[str]:
        """A migrated database of a service that nobody else uses: its URL, `postgresql://…`."""
        if service not in self._migrated:
            self._migrated[service] = await self._migrate(service)
        name = f"test_{uuid.uuid4().hex[:12]}"
        await self._run(f"create database {name} template {self._migrated[service]}")
        try:
            yield self._url(name)
        finally:
            await self._run(f"drop database {name} with (force)")

    def drop(self) -> None:
        """Remove what the copies were made from."""
        for name in self._migrated.values():
            asyncio.run(self._run(f"drop database {name} with (force)"))

    async def _migrate(self, service: str) -> str:
        name = f"{service}_{uuid.uuid4().hex[:12]}"
        await self._run(f"create database {name}")
        await migrate(patient_settings(self._url(name), pool_size=1), _MIGRATIONS[service])
        return name

    async def _run(self, statement: str) -> None:
        admin = await asyncpg.connect(self._servers.postgres_url)
        try:
            await admin.execute(statement)
        finally:
            await admin.close()

    def _url(self, name: str) -> str:
        return self._servers.postgres_url.rpartition("/")[0] + "/" + name
