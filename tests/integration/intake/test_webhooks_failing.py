"""Webhooks to receivers that fail: the schedule of attempts, the end of it, order, and whom a failure holds up."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from common.ids import new_id
from common.transaction import Origin
from intake.webhooks import queue
from intake.webhooks.keys import Sealer
from intake.webhooks.sending import PLACES_OF_ONE, Sender
from tests.integration.intake.conftest import WEBHOOKS_KEY, Intake
from tests.integration.intake.receivers import (
    Behaviour,
    babble,
    behaving,
    drip,
    make_certificate,
    pour,
    pour_headers,
    reset,
    say_nothing,
    take,
)
from tests.integration.intake.test_webhooks import body_of
from tests.integration.intake.webhooks import (
    all_delivered,
    attempted,
    create,
    edit,
    feed,
    log,
    poster,
    sending,
    show,
)
from tests.support.backbone import no_beat
from tests.support.eventually import eventually
from tests.support.peers import Peer
from tests.support.ports import free_ports
from tests.support.serving import serving

WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Of the specification's schedule, after each failed attempt but the last."""
CREATED = ["support.ticket.created.v1"]


async def ping(intake: Intake, hook: Mapping[str, Any]) -> None:
    """Let a test event be posted."""
    answer = await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
    assert answer.status_code == 202, answer.text


async def disabled(intake: Intake, hook: dict[str, Any]) -> dict[str, Any]:
    """The endpoint, once it is disabled."""

    async def done() -> bool:
        return not (await show(intake, hook))["enabled"]

    await eventually(done)
    return await show(intake, hook)


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
        await edit(intake, hook, enabled=True)
        await all_delivered(intake, hook, 1)


async def test_a_redirect_is_a_failure_and_is_not_followed(intake: Intake) -> None:
    other = Peer()
    async with serving(other) as elsewhere:
        receiver = Peer(answers=[(301, {"location": elsewhere}, b"")])
        async with serving(receiver) as url, sending(intake):
            hook = await create(intake, url)
            await ping(intake, hook)
            item = await attempted(intake, hook, 1)
    assert (item["state"], item["error"]) == ("retrying", "status 301")
    assert other.seen == []


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
        await ping(intake, hook)
        other = await create(intake, url)
        await ping(intake, other)
        await all_delivered(intake, other, 1)
        assert len(receiver.seen) == 2  # the other endpoint's, and none of the one that waits
        intake.clock.move(timedelta(seconds=3_602))
        await all_delivered(intake, hook, 2)
        assert (await show(intake, hook))["resume_at"] is None


async def test_nobody_can_put_us_off_for_longer_than_a_day(intake: Intake) -> None:
    receiver = Peer(answers=[(503, {"retry-after": "99999999999"}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert _seconds(item["last_attempt_at"], item["next_attempt_at"]) == 86_400


@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [
        (say_nothing, "no answer within 0.5 s"),
        (drip, "no answer within 0.5 s"),
        (reset, "ReadError"),
        (babble, "no answer within 0.5 s"),
        (pour_headers, "RemoteProtocolError"),
    ],
)
async def test_whatever_a_receiver_does_an_attempt_ends(intake: Intake, behaviour: Behaviour, fault: str) -> None:
    async with behaving(behaviour) as port, sending(intake, timeout=timedelta(seconds=0.5)):
        hook = await create(intake, f"http://127.0.0.1:{port}/")
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert (item["state"], item["last_status"]) == ("retrying", None)
    assert fault in item["error"]


async def test_an_answer_without_end_is_taken_by_its_status(intake: Intake) -> None:
    async with behaving(pour) as port, sending(intake):
        hook = await create(intake, f"http://127.0.0.1:{port}/")
        await ping(intake, hook)
        await all_delivered(intake, hook, 1)


async def test_nobody_listening_is_a_failure(intake: Intake) -> None:
    async with sending(intake):
        hook = await create(intake, f"http://127.0.0.1:{free_ports(1)[0]}/")
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert "ConnectError" in item["error"]


async def test_a_queue_that_nobody_accepts_from_is_a_failure(intake: Intake) -> None:
    """A listener whose backlog is full answers no more connections: connecting itself must have its limit."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [_connect(full.getsockname()) for _ in range(4)]
        async with sending(intake, timeout=timedelta(seconds=0.5)):
            hook = await create(intake, f"http://127.0.0.1:{full.getsockname()[1]}/")
            await ping(intake, hook)
            item = await attempted(intake, hook, 1)
        for each in held:
            each.close()
    assert item["error"] == "no answer within 0.5 s"


def _connect(address: Any) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    made.connect_ex(address)
    return made


async def test_only_a_certificate_of_the_host_by_somebody_trusted_will_do(intake: Intake, tmp_path: Path) -> None:
    ours, authority = make_certificate(tmp_path, "localhost")
    trusted = ssl.create_default_context(cafile=authority)
    wrong, wrong_authority = make_certificate(tmp_path, "elsewhere.example.com")
    trusted.load_verify_locations(wrong_authority)
    async with behaving(take, tls=ours) as right_port, behaving(take, tls=wrong) as wrong_port:
        right = await create(intake, f"https://localhost:{right_port}/")
        other = await create(intake, f"https://localhost:{wrong_port}/")
        async with sending(intake, timeout=timedelta(seconds=5)):
            await ping(intake, right)
            unknown = await attempted(intake, right, 1)
        assert "CERTIFICATE_VERIFY_FAILED" in unknown["error"]
        intake.clock.move(timedelta(seconds=6))
        async with sending(intake, timeout=timedelta(seconds=5), trusted=trusted):
            await ping(intake, other)
            refused = await attempted(intake, other, 1)
            await all_delivered(intake, right, 1)
    assert "Hostname mismatch" in refused["error"]


async def test_an_address_is_judged_again_at_every_attempt(intake: Intake) -> None:
    """A name that led outside when the endpoint was made leads to this machine now: nothing is posted."""
    receiver = Peer()
    async with serving(receiver) as url, sending(intake, allowed=()):
        hook = await create(intake, "https://localhost:" + url.rpartition(":")[2])
        await ping(intake, hook)
        item = await attempted(intake, hook, 1)
    assert (item["state"], item["error"]) == ("retrying", "the host's address is not public")
    assert receiver.seen == []


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


async def test_a_dead_endpoint_holds_up_no_other(intake: Intake) -> None:
    quick = Peer()
    async with behaving(say_nothing) as port, serving(quick) as url:
        dead = [await create(intake, f"http://127.0.0.1:{port}/{number}", types=CREATED) for number in range(9)]
        alive = await create(intake, url, types=CREATED)
        for number in range(12):
            await intake.open(ref=str(number))
        await feed(intake)
        async with sending(intake, timeout=timedelta(seconds=3)):
            await all_delivered(intake, alive, 12, within=20)
            assert len(dead) == 9
            one_more = await intake.open(ref="later")
            await feed(intake)

            async def came() -> bool:
                return any(one_more["id"] in body_of(seen)["subject"] for seen in quick.seen)

            await eventually(came, within=2.5)


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
