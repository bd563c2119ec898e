"""Feedback's figures on a database of their own, without what feedback says by itself."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from common.backbone.applying import dispatch
from common.backbone.consumer import Handler
from common.clock import MovableClock
from common.database import Database
from common.service import Runtime, create_api
from common.settings import ApiSettings, KafkaSettings, PeersSettings
from common.transaction import Origin
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event
from feedback.app import build
from feedback.figures.consumers import FIGURES
from feedback.ownership.consumers import OWNERSHIP
from feedback.settings import FeedbackSettings
from tests.support.databases import Databases, patient_settings
from tests.support.stories import END

HANDLERS: Sequence[Handler] = (OWNERSHIP, FIGURES)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The service as a test sees it. Its present is the end of every story."""

    database: Database
    clock: MovableClock
    http: httpx.AsyncClient

    async def apply(self, *events: Event, handlers: Sequence[Handler] = HANDLERS) -> None:
        """What the consumer does with a batch."""
        async with self.database.begin(Origin(actor="service:feedback")) as tx:
            await dispatch(tx, handlers, events)

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run one statement."""
        async with self.database.begin(Origin(actor="client:tests")) as tx:
            result = await tx.connection.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    async def get(self, path: str, **query: Any) -> Any:
        """The answer of the API, which must be a 200."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def feedback_database(databases: Databases) -> AsyncGenerator[str]:
    """The URL of a migrated database that no other test uses."""
    async with databases.of("feedback") as url:
        yield url


@pytest.fixture
async def figures(feedback_database: str, tmp_path: Path) -> AsyncGenerator[Figures]:
    """The service with a movable clock and a client with every scope."""
    clients_file = tmp_path / "clients.json"
    clock = MovableClock(END)
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=END)
    settings = FeedbackSettings(
        database=patient_settings(feedback_database, pool_size=20),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
        api=ApiSettings(clients_file=clients_file),
        peers=PeersSettings(intake_url="http://127.0.0.1:1", routing_url="http://127.0.0.1:1", key=SecretStr("none")),
    )
    database = Database.from_settings(
        settings.database, clock=clock, source="/frontline/test/feedback", application_name="figures-tests"
    )
    app = create_api(build(settings), Runtime(settings=settings, database=database, clock=clock))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://feedback", headers=headers) as http:
        yield Figures(database=database, clock=clock, http=http)
    await database.close()
