"""What others see of an endpoint, other clients and operators, and how many tests of it wait."""

import asyncio
from datetime import timedelta

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint

from intake.webhooks import feeding
from intake.webhooks import log as webhook_log
from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.test_webhooks_failing import CREATED, disabled, told_of
from tests.integration.intake.webhooks import all_delivered, attempted, create, edit, feed, log, ping, sending
from tests.support.backbone import no_beat, running
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.serving import serving


async def test_an_endpoint_is_told_nothing_of_those_of_other_clients(intake: Intake) -> None:
    """Not now, and not by a replay; whoever follows the feed reads of all."""
    others_key = intake.key("events:read", "webhooks:write")
    watching, gone = Peer(), Peer(answers=[(410, {}, b""), (410, {}, b"")])
    async with serving(watching) as watching_url, serving(gone) as gone_url, sending(intake):
        watcher, mine = await create(intake, watching_url), await create(intake, gone_url)
        made = await intake.http.post("/v1/webhooks", json={"url": gone_url}, headers=others_key)
        others = made.json()
        for hook in (others, mine):
            await ping(intake, hook)
            await disabled(intake, hook)
        assert len(await told_of(intake, others)) == 1
        await feed(intake)
        await all_delivered(intake, watcher, 1)
        replayed = await intake.http.post(
            f"/v1/webhooks/{watcher['id']}/replay", json={"since": "2026-03-01T00:00:00Z"}
        )
        assert replayed.status_code == 202
        await feed(intake)

        async def twice() -> bool:
            return len(watching.seen) == 2

        await eventually(twice)
        assert {item["subject"] for item in await log(intake, watcher)} == {f"endpoint/{mine['id']}"}
    assert {body_of(seen)["subject"] for seen in watching.seen} == {f"endpoint/{mine['id']}"}


async def test_one_test_of_an_endpoint_waits_at_a_time(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url:
        hook, other = await create(intake, url), await create(intake, url)
        path = f"/v1/webhooks/{hook['id']}/test"
        answers = await asyncio.gather(*(intake.http.post(path) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
        assert {answer.json().get("code") for answer in answers} == {None, "test_waits"}
        await ping(intake, other)
        async with sending(intake):
            await all_delivered(intake, hook, 1)
            await ping(intake, hook)
            await all_delivered(intake, hook, 2)


async def test_operators_see_how_long_posts_wait_but_not_what_a_receiver_holds_up(intake: Intake) -> None:
    async def waits_s() -> float:
        async with intake.database.read() as connection:
            due_since = (await webhook_log.get_totals(connection, now=intake.clock.now())).due_since
        return (intake.clock.now() - due_since).total_seconds() if due_since else 0.0

    receiver = Peer(answers=[(500, {}, b"")])
    async with serving(receiver) as url:
        failing, sound = await create(intake, url, types=CREATED), await create(intake, url)
        assert await waits_s() == 0
        async with sending(intake):
            await intake.open()
            await edit(intake, sound, enabled=False)
            await feed(intake)
            await attempted(intake, failing, 1)
        intake.clock.move(timedelta(minutes=10))
        assert await waits_s() == 0, "the one fails, and the other is disabled"
        await edit(intake, sound, enabled=True)
        await feed(intake)
        intake.clock.move(timedelta(minutes=7))
        assert await waits_s() == 7 * 60
        async with sending(intake):
            await all_delivered(intake, sound, 3)
            await all_delivered(intake, failing, 1)
        assert await waits_s() == 0


async def test_the_feeder_tells_how_long_posts_wait_so_that_an_absent_sender_is_seen(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("test")
    monkeypatch.setattr(feeding, "_oldest", meter.create_gauge("oldest_waiting"))

    def told_s() -> float | None:
        data = reader.get_metrics_data()
        for metric in [] if data is None else data.resource_metrics[0].scope_metrics[0].metrics:
            [point] = metric.data.data_points
            assert isinstance(point, NumberDataPoint)
            return point.value
        return None

    await create(intake, "https://hooks.example.com/")
    await intake.open()
    await feed(intake)
    assert told_s() is None
    intake.clock.move(timedelta(minutes=6))
    async with running(lambda stop: feeding.run_feeder(intake.database, beat=no_beat, stop=stop)):

        async def told() -> bool:
            return told_s() is not None

        await eventually(told)
    assert told_s() == 360
