"""Webhooks to receivers that fail: the schedule of attempts, the end of it, order, and whom a failure holds up."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.transaction import Origin
from intake.webhooks import queue
from intake.webhooks.keys import Sealer
from intake.webhooks.sending import PLACES, PLACES_OF_ONE, Sender
from tests.integration.intake.conftest import WEBHOOKS_KEY, Intake
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.webhooks import (
    all_delivered,
    attempted,
    create,
    edit,
    feed,
    log,
    ping,
    poster,
    sending,
    show,
)
from tests.support.backbone import no_beat
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.receivers import behaving, reset
from tests.support.serving import serving

WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Of the specification's schedule, after each failed attempt but the last."""
CREATED = ["support.ticket.created.v1"]


async def disabled(intake: Intake, hook: dict[str, Any]) -> dict[str, Any]:
    """The endpoint, once it is disabled."""

    async def done() -> bool:
        return not (await show(intake, hook))["enabled"]

    await eventually(done)
    return await show(intake, hook)


async def told_of(intake: Intake, hook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What intake told of an endpoint."""
    answer = await intake.http.get("/v1/events", params={"subject": f"endpoint/{hook['id']}"})
    assert answer.status_code == 200, answer.text
    return answer.json()["events"]


async def test_ten_attempts_follow_the_schedule_and_then_the_endpoint_is_disabled(intake: Intake) -> None:
    receiver = Peer(answers=[(500, {}, b"")] * 10)
    began = intake.clock.now()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url, types=CREATED)
        ticket = await intake.open()
        await feed(intake)
        for number, wait_s in enumerate(WAITS_S, start=1):
            item = await attempted(intake, hook, number)
            assert (item["state"], item["last_status"], item["error"]) == ("retrying", 500, "status 500")
            waits = _seconds(item["last_attempt_at"], item["next_attempt_at"])
            assert wait_s <= waits <= wait_s * 1.1
            intake.clock.move(timedelta(seconds=wait_s - 1))
            # What is due too early would be posted now: no further attempt is seen before the clock moves on.
            assert len(receiver.seen) == number
            intake.clock.move(timedelta(seconds=waits - wait_s + 1.001))
        shown = await disabled(intake, hook)
        assert len(receiver.seen) == 10
        assert timedelta(hours=75) < intake.clock.now() - began < timedelta(hours=84)
        assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
        assert len({seen.headers["webhook-timestamp"] for seen in receiver.seen}) == 10
        assert len({seen.body for seen in receiver.seen}) == 1
        assert f"about ticket/{ticket['id']} was not taken in 10 attempts" in shown["disabled_reason"]
        assert shown["disabled_reason"].endswith("the last one met: status 500")
        await intake.open(ref="later")
        await feed(intake)
        intake.clock.move(timedelta(days=1))
        assert [each["state"] for each in await log(intake, hook)] == ["retrying"]
        [told] = await told_of(intake, hook)
        assert (told["type"], told["subjectseq"]) == ("support.webhook.endpoint_disabled.v1", 1)
        assert told["data"] == {
            "endpoint_id": hook["id"], "failing_since": "2026-03-01T12:00:00Z", "reason": "not_taken"
        }  # fmt: skip
        enabled = await edit(intake, hook, enabled=True)
        assert (enabled["enabled"], enabled["disabled_reason"], enabled["failing_since"]) == (True, "", None)
        await feed(intake)
        await all_delivered(intake, hook, 2)
    assert f"ticket/{ticket['id']}" in {body_of(seen)["subject"] for seen in receiver.seen[-2:]}


def _seconds(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


async def test_gone_disables_at_once_and_keeps_what_waits(intake: Intake) -> None:
    receiver = Peer(answers=[(410, {}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        await ping(intake, hook)
        shown = await disabled(intake, hook)
        assert shown["disabled_reason"] == "the receiver answered 410: it is gone for good"
        [item] = await log(intake, hook)
        assert (item["state"], item["last_status"], item["next_attempt_at"]) == ("retrying", 410, None)
        refused = await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
        assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_disabled")
        assert [told["data"]["reason"] for told in await told_of(intake, hook)] == ["gone"]
        await edit(intake, hook, enabled=True)
        await all_delivered(intake, hook, 1)


async def test_a_disabled_endpoint_is_told_to_the_others_and_one_that_a_person_disabled_is_not(intake: Intake) -> None:
    watching, gone = Peer(), Peer(answers=[(410, {}, b"")])
    async with serving(watching) as watching_url, serving(gone) as gone_url, sending(intake):
        watcher = await create(intake, watching_url, types=["support.webhook.endpoint_disabled.v1"])
        by_hand = await create(intake, gone_url)
        hook = await create(intake, gone_url)
        await edit(intake, by_hand, enabled=False)
        await ping(intake, hook)
        await disabled(intake, hook)
        await feed(intake)
        await all_delivered(intake, watcher, 1)
    [seen] = watching.seen
    assert body_of(seen)["subject"] == f"endpoint/{hook['id']}"
    assert await told_of(intake, by_hand) == []


async def test_what_an_attempt_met_stands_in_the_log(intake: Intake) -> None:
    """All that can be met is tried in tests/unit/webhooks/test_posting.py."""
    other = Peer()
    async with behaving(reset) as port, serving(other) as elsewhere:
        receiver = Peer(answers=[(301, {"location": elsewhere}, b"")])
        async with serving(receiver) as url, sending(intake):
            broken, redirected = await create(intake, f"http://127.0.0.1:{port}/"), await create(intake, url)
            for hook in (broken, redirected):
                await ping(intake, hook)
            items = [await attempted(intake, hook, 1) for hook in (broken, redirected)]
    assert [(item["state"], item["last_status"]) for item in items] == [("retrying", None), ("retrying", 301)]
    assert [item["error"].partition(":")[0] for item in items] == ["ReadError", "status 301"]
    assert other.seen == []


async def test_an_address_is_judged_again_at_every_attempt(intake: Intake) -> None:
    """A name that led outside when the endpoint was made leads to this machine now: nothing is posted."""
    receiver = Peer()
    async with serving(receiver) as url, sending(intake, allowed=()):
        hook = await create(intake, "https://localhost:" + url.rpartition(":")[2])
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert (item["state"], item["error"]) == ("retrying", "the host's address is not public")
    assert receiver.seen == []


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_receiver_that_asks_for_time_gets_it_for_all_its_events(intake: Intake, form: str) -> None:
    asked = {"seconds": "3600", "date": "Sun, 01 Mar 2026 13:00:00 GMT"}[form]
    receiver = Peer(answers=[(429, {"retry-after": asked}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
        assert 3_600 <= _seconds("2026-03-01T12:00:00+00:00", item["next_attempt_at"]) <= 3_602
        assert (await show(intake, hook))["resume_at"] == item["next_attempt_at"]
        await intake.open()
        await feed(intake)
        other = await create(intake, url)
        await ping(intake, other)
        await all_delivered(intake, other, 1)
        assert len(receiver.seen) == 2  # the other endpoint's, and none of the one that waits
        intake.clock.move(timedelta(seconds=3_602))
        await all_delivered(intake, hook, 4)
        assert (await show(intake, hook))["resume_at"] is None


async def test_nobody_can_put_us_off_for_longer_than_a_day(intake: Intake) -> None:
    receiver = Peer(answers=[(503, {"retry-after": "99999999999"}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert _seconds(item["last_attempt_at"], item["next_attempt_at"]) == 86_400


async def test_later_events_of_a_subject_wait_and_other_subjects_do_not(intake: Intake) -> None:
    receiver = Peer(answers=[(500, {}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url, types=[*CREATED, "support.ticket.updated.v1"])
        stuck = await intake.open(ref="1")
        await feed(intake)
        await attempted(intake, hook, 1)
        await intake.http.put(f"/v1/tickets/{stuck['id']}/tags/vip")
        free = await intake.open(ref="2")
        await intake.http.put(f"/v1/tickets/{free['id']}/tags/vip")
        await feed(intake)

        async def others_delivered() -> bool:
            return len(await log(intake, hook, state="delivered")) == 2

        await eventually(others_delivered)
        waits = await log(intake, hook, subject=f"ticket/{stuck['id']}")
        assert [each["state"] for each in waits] == ["retrying", "waiting"]
        intake.clock.move(timedelta(seconds=6))
        await all_delivered(intake, hook, 4)
    for ticket in (stuck, free):
        told = [body_of(seen) for seen in receiver.seen if ticket["id"] in body_of(seen)["subject"]]
        assert [body["subjectseq"] for body in told if body["type"].endswith("updated.v1")] == [3]
    order = [body_of(seen)["subjectseq"] for seen in receiver.seen if stuck["id"] in body_of(seen)["subject"]]
    assert order == [1, 1, 3]


async def test_a_sender_that_dies_between_claim_and_settling_is_followed_by_another(intake: Intake) -> None:
    receiver = Peer(hold=asyncio.Event())
    assert receiver.hold is not None
    async with serving(receiver) as url:
        hook = await create(intake, url)
        await ping(intake, hook)
        async with poster(timeout=timedelta(seconds=30)) as posts:
            doomed = asyncio.ensure_future(
                Sender(intake.database, Sealer(WEBHOOKS_KEY), posts).run(beat=no_beat, stop=asyncio.Event())
            )

            async def inside() -> bool:
                return receiver.now_inside == 1

            await eventually(inside)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
        receiver.hold.set()
        receiver.hold = None
        async with sending(intake):
            assert [each["attempts"] for each in await log(intake, hook)] == [0]
            async with intake.database.begin(Origin(actor="service:intake")) as tx:
                ended = "update webhook_line set lease_until = clock_timestamp() - interval '1 s'"
                await tx.connection.execute(text(ended))
            await all_delivered(intake, hook, 1)
    assert len(receiver.seen) == 2
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1


async def test_a_settling_that_comes_too_late_changes_nothing(intake: Intake) -> None:
    """Two claims of one line, the second after the first one's lease ended: only the second may settle."""
    hook = await create(intake, "http://127.0.0.1:9/")
    await ping(intake, hook)
    claims: list[queue.Claimed] = []
    for _ in range(2):
        async with intake.database.begin(Origin(actor="service:intake")) as tx:
            claims += await queue.claim_heads(
                tx, rooms={_uuid(hook): 4}, holder=new_id(), lease=timedelta(seconds=-1), asked=0.0
            )
    stale, fresh = claims
    async with intake.database.begin(Origin(actor="service:intake")) as tx:
        assert not await queue.lock_claimed(tx, stale)
        assert await queue.lock_claimed(tx, fresh)


def _uuid(hook: Mapping[str, Any]) -> UUID:
    return UUID(hook["id"])


async def test_an_endpoint_deleted_while_it_is_posted_to_leaves_nothing_and_disturbs_nobody(intake: Intake) -> None:
    receiver = Peer(hold=asyncio.Event())
    assert receiver.hold is not None
    async with serving(receiver) as url, sending(intake, timeout=timedelta(seconds=20)):
        gone, stays = await create(intake, url), await create(intake, url)
        await ping(intake, gone)

        async def inside() -> bool:
            return receiver.now_inside == 1

        await eventually(inside)
        assert (await intake.http.delete(f"/v1/webhooks/{gone['id']}")).status_code == 200
        receiver.hold.set()
        await ping(intake, stays)
        await all_delivered(intake, stays, 1)
    async with intake.database.read() as connection:
        for table in ("line", "delivery"):
            left = text(f"select count(*) from webhook_{table} where endpoint_id = :id")  # noqa: S608 - own names
            assert await connection.scalar(left, {"id": _uuid(gone)}) == 0, table
    assert (await show(intake, stays))["failing_since"] is None


async def test_dead_endpoints_hold_up_no_other(intake: Intake) -> None:
    """At first they take nearly every place; once they are known to fail, one each, and the others have the rest."""
    silent, quick = Silent(), Peer()
    async with behaving(silent) as port, serving(quick) as url:
        dead = [await create(intake, f"http://127.0.0.1:{port}/{number}", types=CREATED) for number in range(9)]
        alive = await create(intake, url, types=CREATED)
        for number in range(12):
            await intake.open(ref=str(number))
        await feed(intake)
        async with sending(intake, timeout=timedelta(seconds=12)):
            assert len(dead) * PLACES_OF_ONE > PLACES, "they are too few to take all places"

            async def most_places() -> bool:
                return silent.most_inside >= PLACES - PLACES_OF_ONE

            await eventually(most_places)
            await all_delivered(intake, alive, 12)

            async def one_each() -> bool:
                assert silent.inside == {f"/{number}": 1 for number in range(9)}, silent.inside
                return True

            await eventually(one_each)
            later = await intake.open(ref="later")
            await feed(intake)

            async def came() -> bool:
                return any(later["id"] in body_of(seen)["subject"] for seen in quick.seen)

            await eventually(came, within=10)  # while the dead ones hold their places
            silent.end()


class Silent:
    """Takes requests and answers none; `inside` counts, by path, those whose sender waits still."""

    def __init__(self) -> None:
        """Nobody waits."""
        self.inside = Counter[str]()
        self.most_inside = 0
        self._held: set[asyncio.StreamWriter] = set()
        self._ended = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hold a request until its sender gives it up."""
        path = (await reader.readline()).decode().split(" ")[1]
        if self._ended:
            return
        self._held.add(writer)
        self.inside[path] += 1
        self.most_inside = max(self.most_inside, self.inside.total())
        try:
            await reader.read()
        finally:
            self.inside[path] -= 1
            self._held.discard(writer)

    def end(self) -> None:
        """Hold nobody any more."""
        self._ended = True
        for writer in self._held:
            writer.transport.abort()


async def test_one_endpoint_has_few_places(intake: Intake) -> None:
    receiver = Peer(hold=asyncio.Event())
    assert receiver.hold is not None
    async with serving(receiver) as url, sending(intake, timeout=timedelta(seconds=20)):
        hook = await create(intake, url, types=CREATED)
        for number in range(12):
            await intake.open(ref=str(number))
        await feed(intake)

        async def full() -> bool:
            return receiver.now_inside == PLACES_OF_ONE

        await eventually(full)
        receiver.hold.set()
        await all_delivered(intake, hook, 12)
    assert receiver.most_inside == PLACES_OF_ONE
