"""Webhooks at work in tests: endpoints, the roles that feed and post, and what the log shows."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from sqlalchemy import text

from common.webhooks import Poster
from intake.webhooks import feeding, queue
from intake.webhooks.keys import Sealer
from intake.webhooks.sending import PLACES, Sender
from tests.integration.intake.conftest import WEBHOOKS_KEY, Intake
from tests.support.backbone import no_beat, running
from tests.support.eventually import eventually

LOCAL = (ip_network("127.0.0.0/8"),)
TIMEOUT = timedelta(seconds=2)


def poster(*, timeout: timedelta = TIMEOUT, **given: Any) -> Poster:
    """What posts to receivers on this machine."""
    return Poster(timeout=timeout, allowed=given.pop("allowed", LOCAL), places=PLACES, **given)


@asynccontextmanager
async def sending(
    intake: Intake, *, lease: timedelta | None = None, keys: str = WEBHOOKS_KEY, **given: Any
) -> AsyncGenerator[None]:
    """A sender at work while inside, which opens secrets by these keys."""
    async with poster(**given) as posts:
        sender = Sender(intake.database, Sealer(keys), posts, lease=lease)
        async with running(lambda stop: sender.run(beat=no_beat, stop=stop)):
            yield


async def feed(intake: Intake) -> None:
    """Feed every endpoint with all that it has not been given and has room for."""

    async def fed() -> bool:
        while await feeding.feed_once(intake.database):
            pass
        # That ends too where it could not be told in time what is settled.
        async with intake.database.read() as connection:
            last = (await connection.execute(text("select coalesce(max(id), 0) from event"))).scalar_one()
            most = feeding._MOST_WAITING
            behind = [each.endpoint_id for each in await queue.list_fed(connection, horizon=last)]
            return all([await queue.count_pending(connection, each, limit=most) == most for each in behind])

    await eventually(fed)


async def create(intake: Intake, url: str, **body: Any) -> dict[str, Any]:
    """A new endpoint with its secret."""
    answer = await intake.http.post("/v1/webhooks", json={"url": url, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def show(intake: Intake, hook: dict[str, Any]) -> dict[str, Any]:
    """The endpoint as it is."""
    answer = await intake.http.get(f"/v1/webhooks/{hook['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def edit(intake: Intake, hook: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Change an endpoint as it is now."""
    version = (await show(intake, hook))["version"]
    answer = await intake.http.patch(f"/v1/webhooks/{hook['id']}", json=body, headers={"if-match": f'"{version}"'})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ping(intake: Intake, hook: Mapping[str, Any]) -> None:
    """Let a test event be posted."""
    answer = await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
    assert answer.status_code == 202, answer.text


async def log(intake: Intake, hook: dict[str, Any], **filters: str) -> list[dict[str, Any]]:
    """The log of an endpoint, the oldest first."""
    answer = await intake.http.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"limit": 200, **filters})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][::-1]


async def attempted(intake: Intake, hook: dict[str, Any], count: int) -> dict[str, Any]:
    """The one delivery of an endpoint, once it was tried so often."""

    async def done() -> bool:
        items = await log(intake, hook)
        assert [item["attempts"] for item in items] == [count], items
        return True

    await eventually(done)
    [item] = await log(intake, hook)
    return item


async def all_delivered(intake: Intake, hook: dict[str, Any], count: int) -> None:
    """Wait until the log shows so many deliveries, all of them made."""

    async def done() -> bool:
        items = await log(intake, hook)
        assert len(items) == count, [(item["type"], item["error"]) for item in items]
        assert {item["state"] for item in items} == {"delivered"}, items
        return True

    await eventually(done)


def told_types(items: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the types, without what all share."""
    return [item["type"].removeprefix("support.").removesuffix(".v1") for item in items]
