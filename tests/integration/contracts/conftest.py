"""One consuming service, on a database of its own, that knows what the golden events speak of."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from common.backbone.applying import Applier, dispatch, next_offsets
from common.backbone.consumer import Handler
from common.backbone.inbox_store import PostgresInbox
from common.backbone.protocols import Claim, Delivery, Place
from common.clock import MovableClock
from common.database import Database
from common.service import Runtime, Service, create_api
from common.transaction import Origin, Transaction
from common.web.clients import SCOPES, create_key
from contracts.envelope import Event, decode_event, kafka_headers
from contracts.example_ids import AGENT, NOON, SENIOR, TICKET
from routing.agents.domain import Agent
from routing.agents.usecases import register_agent
from tests.support.closed import assert_closed
from tests.support.databases import Databases
from tests.support.golden_story import Numbering
from tests.support.services import SERVICES, compose


class _TakenBack(Exception):
    """Nothing of this is to stay."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The service as a test sees it.

    Attributes:
        numbering: of what it reads, under the ids by which it knows what the golden events are about.
        claims: where each producer's topic was read to.
        effects: (handler, type) for each event that made the handler write.
    """

    service: Service
    database: Database
    clock: MovableClock
    http: httpx.AsyncClient
    numbering: Numbering = field(default_factory=Numbering)
    claims: dict[Place, Claim] = field(default_factory=dict[Place, Claim])
    effects: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    @property
    def inbox(self) -> PostgresInbox:
        """Its side of the backbone."""
        return PostgresInbox(self.database, service=self.service.name)

    async def read(self, *deliveries: Delivery) -> None:
        """What the consumer does with a batch: everything, commit included."""
        places = {delivery.record.place for delivery in deliveries} - self.claims.keys()
        if places:
            self.claims.update(
                await self.inbox.claim(dict.fromkeys(places, 0), lost={}, owner="tests", bootstrap=False)
            )
        handlers = [self._watched(handler) for handler in self.service.handlers]
        await Applier(store=self.inbox, handlers=handlers).apply(deliveries, self.claims, {})
        for place, offset in next_offsets(deliveries).items():
            self.claims[place] = Claim(epoch=self.claims[place].epoch, next_offset=offset, bootstrap=False)

    def _watched(self, handler: Handler) -> Handler:
        async def apply(tx: Transaction, events: Sequence[Event]) -> None:
            before = await _count_written(tx)
            await handler.apply(tx, events)
            if await _count_written(tx) > before:
                self.effects.update((handler.name, event.type) for event in events)

        return Handler(name=handler.name, types=handler.types, apply=apply)

    async def list_kept_back(self) -> list[Any]:
        """What the consumer could not apply."""
        return await self.sql(
            "select source, subject, error from parked_subject union all select topic, '', error from poison_record"
        )

    async def try_each(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Apply each event alone, as a redrive does, and take it back; returns which ones failed, and how."""
        failed: list[str] = []
        with suppress(_TakenBack):
            async with self.inbox.begin() as tx:
                for delivery in deliveries:
                    try:
                        async with tx.savepoint():
                            async with self.inbox.savepoint(tx):
                                await dispatch(tx, self.service.handlers, [delivery.event])
                            raise _TakenBack
                    except _TakenBack:
                        pass
                    except Exception as error:
                        failed.append(f"{delivery.event.type} {delivery.event.data.decode()}: {error!r}")
                raise _TakenBack
        return failed

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        """What a query gives."""
        async with self.database.read() as connection:
            return list(await connection.execute(text(statement), values))


@pytest.fixture(params=SERVICES)
async def reader(request: pytest.FixtureRequest, databases: Databases, tmp_path: Path) -> AsyncGenerator[Reader]:
    """Each service in turn. All that it tells meanwhile is held to the closed schemas."""
    name = str(request.param)
    clients_file = tmp_path / "clients.json"
    secret = create_key(clients_file, "everything", scopes=sorted(SCOPES), now=NOON)
    clock = MovableClock(NOON)
    async with databases.of(name) as url, AsyncExitStack() as stack:
        service = compose(name, clients_file=clients_file, database_url=url)
        database = Database.from_settings(
            service.settings.database, clock=clock, source=f"/frontline/test/{name}", application_name=f"{name}-tests"
        )
        stack.push_async_callback(database.close)
        app = create_api(service, Runtime(settings=service.settings, database=database, clock=clock))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {secret}"}
        http = httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers)
        reader = Reader(service=service, database=database, clock=clock, http=await stack.enter_async_context(http))
        if name == "intake":
            await _open_intake(reader)
        elif name == "routing":
            await _open_routing(database)
        clock.move(timedelta(minutes=5))
        yield reader
        for row in await reader.sql("select seq, headers, payload from event"):
            assert_closed(decode_event(kafka_headers(row.headers, row.seq), row.payload))


async def _open_intake(reader: Reader) -> None:
    """A ticket, for intake hears of no tickets but its own, and an endpoint of a webhook that wants everything."""
    endpoint = await reader.http.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", "types": []})
    assert endpoint.status_code == 201, endpoint.text
    body = {"subject": "Cannot log in", "requester": {"name": "Ada", "email": "ada@example.org"}}
    key = {"idempotency-key": uuid.uuid4().hex}
    made = await reader.http.post("/v1/tickets", json={**body, "source": {"channel": "web"}}, headers=key)
    assert made.status_code == 201, made.text
    reader.numbering.say(TICKET, UUID(made.json()["id"]))


async def _open_routing(database: Database) -> None:
    """The two agents that the golden events name, for routing hears of no agents but its own."""
    async with database.begin(Origin(actor="client:tests")) as tx:
        for agent_id, tier in ((AGENT, 2), (SENIOR, 3)):
            await register_agent(
                tx,
                Agent(
                    agent_id=agent_id,
                    name="Ada",
                    email="",
                    tier=tier,
                    max_weight=10,
                    max_offers=1,
                    teams=(),
                    languages=(),
                    presence="online",
                    presence_since=tx.now,
                    idle_since=tx.now,
                    created_at=tx.now,
                ),
            )


async def _count_written(tx: Transaction) -> int:
    rows = await tx.fetch(
        "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int from pg_stat_xact_user_tables"
    )
    return int(rows[0][0]) + len(tx.pending)
