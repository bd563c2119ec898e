"""The notes service on a database of its own, spoken to over its real ASGI application."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from common.clock import MovableClock
from common.database import Database
from common.migrate import migrate
from common.service import Runtime, create_api
from common.settings import ApiSettings, DatabaseSettings, KafkaSettings
from common.web.clients import create_key
from tests.support.notes.app import NotesSettings, build

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Notes:
    """The running service as a test sees it."""

    app: FastAPI
    http: httpx.AsyncClient
    database: Database
    clock: MovableClock
    settings: NotesSettings
    clients_file: Path

    def key(self, *scopes: str, client_id: str = "tester") -> dict[str, str]:
        """A header with a new key of these scopes."""
        key = create_key(self.clients_file, client_id, scopes=scopes, now=self.clock.now())
        self.reload_clients()
        return {"authorization": f"Bearer {key}"}

    def reload_clients(self) -> None:
        """Let the application look at its clients file at the next request."""
        self.clock.move(timedelta(seconds=1))


@pytest.fixture(scope="session", autouse=True)
def tracing() -> None:
    """Real spans, exported nowhere."""
    trace.set_tracer_provider(TracerProvider())


@pytest.fixture
async def notes(empty_database: str, tmp_path: Path) -> AsyncGenerator[Notes]:
    """The service with a movable clock and one client, "everything", that may read and write."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(START)
    key = create_key(clients_file, "everything", scopes=["tickets:read", "tickets:write"], now=START)
    settings = NotesSettings(
        database=DatabaseSettings(url=SecretStr(empty_database), pool_size=4),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
    )
    service = build(settings)
    await migrate(settings.database, service.migrations)
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/notes", application_name="notes"
    )
    app = create_api(service, Runtime(settings=settings, database=database, clock=clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://notes", headers=headers) as http:
        yield Notes(app=app, http=http, database=database, clock=clock, settings=settings, clients_file=clients_file)
    await database.close()
