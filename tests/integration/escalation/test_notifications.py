"""Notifications are delivered once by each role, and every attempt is recorded."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from common.ids import new_id
from escalation.notifications.domain import Channel, Delivery, Notification
from escalation.notifications.mailing import Mail
from escalation.notifications.posting import Webhooks, open_poster
from escalation.notifications.sender import Notifier
from escalation.notifications.signing import read_secret
from escalation.notifications.usecases import cancel_notifications
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.notifying import NO_MAIL, SECRET, attempted, calling, notifying, say, shown, wanted
from tests.support.backbone import count, no_beat
from tests.support.eventually import eventually
from tests.support.peers import Peer, problem
from tests.support.ports import free_ports
from tests.support.serving import serving


async def test_what_is_not_set_up_fails_aloud(escalation: Escalation) -> None:
    async with notifying(escalation, secret=""):
        hook = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, "https://example.com")), 1)
        mail = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "lead@example.com")), 1)
    assert (hook["state"], hook["attempts"][0]["fault"]) == ("failed", "no webhook secret is set up")
    assert (mail["state"], mail["attempts"][0]["fault"]) == ("failed", "no mail server is set up")


async def test_whatever_a_delivery_raises_is_the_end_of_that_one_alone(escalation: Escalation) -> None:
    class Broken(Mail):
        async def deliver(self, notification: Notification) -> Delivery:
            raise RuntimeError(notification.address)

    receiver = Peer()
    mail = Broken(host="mail", port=25, security="none", sender="frontline@example.com")
    async with serving(receiver) as url, notifying(escalation, mail=mail):
        odd = wanted(Channel.EMAIL, "lead@example.com")
        await say(escalation, odd, wanted(Channel.WEBHOOK, url))
        item = await attempted(escalation, odd.ticket_id, 1)
        later = await attempted(escalation, await say(escalation, wanted(Channel.WEBHOOK, url)), 1)
    fault = "RuntimeError: it cannot be delivered"
    assert (item["state"], item["attempts"][0]["fault"], later["state"]) == ("failed", fault, "sent")
    assert len(receiver.seen) == 2


async def test_servers_that_are_away_are_tried_again(escalation: Escalation) -> None:
    [closed] = free_ports(1)
    mail = Mail(host="127.0.0.1", port=closed, security="none", sender="frontline@example.com")
    async with notifying(escalation, mail=mail):
        hook = await attempted(
            escalation, await say(escalation, wanted(Channel.WEBHOOK, f"http://127.0.0.1:{closed}")), 1
        )
        mailed = await attempted(escalation, await say(escalation, wanted(Channel.EMAIL, "lead@example.com")), 1)
    assert (hook["state"], mailed["state"]) == ("pending", "pending")
    assert hook["attempts"][0]["fault"].startswith("ConnectError")
    assert "onnect" in mailed["attempts"][0]["fault"]


async def test_several_notifiers_deliver_each_once(escalation: Escalation) -> None:
    receiver = Peer()
    async with serving(receiver) as url, notifying(escalation), notifying(escalation):
        await say(escalation, *(wanted(Channel.WEBHOOK, url) for _ in range(60)))

        async def done() -> bool:
            return await count(escalation.database, "notification where state = 'sent'") == 60

        await eventually(done)
    assert len(receiver.seen) == 60
    assert receiver.most_inside <= 16


async def test_a_notifier_that_dies_is_followed_by_another_with_the_same_id(escalation: Escalation) -> None:
    receiver = Peer(hold=asyncio.Event())
    assert receiver.hold is not None
    async with serving(receiver) as url:
        ticket_id = await say(escalation, wanted(Channel.WEBHOOK, url))
        async with open_poster(allow_private=True, places=8) as poster:
            hooks = Webhooks(secret=read_secret(SECRET), poster=poster, clock=escalation.clock)
            doomed = asyncio.ensure_future(
                Notifier(escalation.database, NO_MAIL, hooks).run(beat=no_beat, stop=asyncio.Event())
            )

            async def inside() -> bool:
                return receiver.now_inside == 1

            await eventually(inside)
            doomed.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doomed
        receiver.hold.set()
        await escalation.sql("update notification set lease_until = clock_timestamp() - interval '1 s'")
        async with notifying(escalation):
            assert (await attempted(escalation, ticket_id, 1))["state"] == "sent"
    assert len(receiver.seen) == 2
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1


async def test_cancelled_ones_are_not_delivered(escalation: Escalation) -> None:
    run_id = new_id()
    hook = wanted(Channel.WEBHOOK, "http://127.0.0.1:1", run_id=run_id)
    message = wanted(Channel.MESSAGE, run_id=run_id)
    await say(escalation, hook, message)
    async with escalation.begin() as tx:
        await cancel_notifications(tx, [run_id])
        await cancel_notifications(tx, [])
    assert [(await shown(escalation, each.ticket_id))["state"] for each in (hook, message)] == ["cancelled"] * 2
    assert await count(escalation.database, "outgoing_call") == 0


async def test_a_message_goes_to_the_ticket_with_its_attempts_recorded(escalation: Escalation) -> None:
    intake = Peer(answers=[problem(503, "unavailable")])
    async with calling(escalation, intake):
        ticket_id = await say(escalation, wanted(Channel.MESSAGE))
        item = await attempted(escalation, ticket_id, 1)
        assert (item["state"], item["attempts"][0]["fault"]) == ("pending", "unavailable")
        escalation.clock.move(timedelta(seconds=1))
        item = await attempted(escalation, ticket_id, 2)
    assert item["state"] == "sent"
    assert [seen.path for seen in intake.seen] == [f"/v1/tickets/{ticket_id}/messages"] * 2
    assert {seen.key for seen in intake.seen} == {item["notification_id"]}
    assert json.loads(intake.seen[0].body)["direction"] == "internal"
    told = await escalation.told(ticket_id, "notification")
    assert told == ["notification.failed", "notification.sent"]


async def test_a_message_that_was_cancelled_while_it_was_under_way_is_told_of_once(escalation: Escalation) -> None:
    """What is told as failed for good is not sent after all."""
    intake = Peer(hold=asyncio.Event(), answers=[problem(503, "unavailable")])
    assert intake.hold is not None
    message = wanted(Channel.MESSAGE)
    assert message.run_id is not None
    async with calling(escalation, intake):
        await say(escalation, message)

        async def inside() -> bool:
            return intake.now_inside == 1

        await eventually(inside)
        async with escalation.begin() as tx:
            await cancel_notifications(tx, [message.run_id])
        assert await count(escalation.database, "outgoing_call") == 1
        intake.hold.set()
        item = await attempted(escalation, message.ticket_id, 1)
        assert await count(escalation.database, "outgoing_call") == 0
    assert (item["state"], item["attempts"][0]["fault"]) == ("cancelled", "unavailable")
    [told] = await escalation.bodies(message.ticket_id, "notification")
    assert (told.attempt, told.is_final) == (1, True)


async def test_a_message_that_intake_refuses_has_failed(escalation: Escalation) -> None:
    intake = Peer(answers=[problem(409, "ticket_final")])
    async with calling(escalation, intake):
        ticket_id = await say(escalation, wanted(Channel.MESSAGE))
        item = await attempted(escalation, ticket_id, 1)
    assert (item["state"], item["attempts"][0]["fault"]) == ("failed", "ticket_final")
    [told] = await escalation.bodies(ticket_id, "notification")
    assert told.is_final


async def test_the_list_pages_and_filters(escalation: Escalation) -> None:
    ticket_id = new_id()
    await say(escalation, *(wanted(Channel.WEBHOOK, "https://example.com", ticket_id=ticket_id) for _ in range(3)))
    await say(escalation, wanted(Channel.WEBHOOK, "https://example.com"))
    query: dict[str, Any] = {"ticket": str(ticket_id), "state": "pending", "limit": 2}
    first = (await escalation.http.get("/v1/notifications", params=query)).json()
    rest = (await escalation.http.get("/v1/notifications", params={**query, "cursor": first["next_cursor"]})).json()
    found = [item["notification_id"] for item in first["items"] + rest["items"]]
    assert (len(found), found, rest["next_cursor"]) == (3, sorted(found), None)
    none = await escalation.http.get("/v1/notifications", params={"state": "sent"})
    assert none.json()["items"] == []
    async with escalation.database.read() as connection:
        assert (await connection.execute(text("select count(*) from notification"))).scalar_one() == 4
