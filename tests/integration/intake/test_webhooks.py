"""Webhooks: events reach receivers signed, in order, once and with their ids; and each client sees its own alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from standardwebhooks import Webhook

from common.transaction import Origin
from contracts.routing import WorkDequeued
from tests.integration.intake import webhooks
from tests.integration.intake.conftest import Intake, Told
from tests.integration.intake.webhooks import all_delivered, create, edit, feed, log, sending, show, told_types
from tests.support.eventually import eventually
from tests.support.peers import Peer, Seen
from tests.support.serving import serving


def verify(secret: str, seen: Seen) -> dict[str, Any]:
    """What was sent, once the reference library has made the same signature: its `verify` asks another clock."""
    signed = Webhook(secret)
    at = int(seen.headers["webhook-timestamp"])
    expected = signed.sign(seen.headers["webhook-id"], datetime.fromtimestamp(at, UTC), seen.body.decode())
    assert expected in seen.headers["webhook-signature"].split(" ")
    return json.loads(seen.body)


def body_of(seen: Seen) -> dict[str, Any]:
    """What was sent."""
    return json.loads(seen.body)


async def test_an_opened_ticket_reaches_the_receiver_signed_and_in_order(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, f"{url}/hook?x=1")
        ticket = await intake.open()
        await intake.http.put(f"/v1/tickets/{ticket['id']}/tags/vip")
        await feed(intake)
        await all_delivered(intake, hook, 4)
    bodies = [verify(hook["secret"], seen) for seen in receiver.seen]
    ours = [body for body in bodies if body["subject"] == f"ticket/{ticket['id']}"]
    assert [body["subjectseq"] for body in ours] == [1, 2, 3]
    own = await intake.events(ticket["id"])
    assert [(body["id"], body["type"], body["data"]) for body in ours] == [
        (event["id"], event["type"], event["data"]) for event in own
    ]
    assert {seen.headers["webhook-id"] for seen in receiver.seen} == {body["id"] for body in bodies}
    assert {seen.headers["content-type"] for seen in receiver.seen} == {"application/json"}
    assert {seen.path for seen in receiver.seen} == {"/hook"}


async def test_types_are_chosen_and_other_services_are_heard(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        chosen = await create(intake, url, types=["support.ticket.created.v1", "support.work.dequeued.v1"])
        ticket = await intake.open()
        told = Told(ticket["id"])
        event = told.event(WorkDequeued(ticket_id=told.ticket_id, reason="closed"))
        await intake.apply(event)
        await feed(intake)
        await all_delivered(intake, chosen, 2)
    assert sorted(told_types(await log(intake, chosen))) == ["ticket.created", "work.dequeued"]
    [heard] = [body for body in map(body_of, receiver.seen) if body["type"] == "support.work.dequeued.v1"]
    assert (heard["id"], heard["source"]) == (str(event.id), "/frontline/test/routing")
    assert heard["data"] == {"ticket_id": ticket["id"], "reason": "closed", "kind": "own"} | heard["data"]


async def test_a_client_sees_its_own_endpoints_alone_and_operators_all(intake: Intake) -> None:
    scopes = ("events:read", "webhooks:write")
    mine, other = intake.key(*scopes), intake.key(*scopes)
    operator, reader = intake.key(*scopes, "ops:read", "ops:write"), intake.key("events:read")
    made = await intake.http.post("/v1/webhooks", json={"url": "https://hooks.example.com/"}, headers=mine)
    path = f"/v1/webhooks/{made.json()['id']}"

    async def status(method: str, suffix: str, headers: dict[str, str], **given: Any) -> int:
        return (await intake.http.request(method, f"{path}{suffix}", headers=headers, **given)).status_code

    match = {"if-match": '"1"'}
    for stranger in (other, reader):
        assert (await intake.http.get("/v1/webhooks", headers=stranger)).json()["items"] == []
        assert await status("GET", "", stranger) == 404
        assert await status("GET", "/deliveries", stranger) == 404
    assert await status("PATCH", "", other | match, json={"enabled": False}) == 404
    assert await status("POST", "/rotate", other, json={}) == 404
    assert await status("POST", "/test", other) == 404
    assert await status("POST", "/replay", other, json={"since": "2026-03-01T00:00:00Z"}) == 404
    assert await status("DELETE", "", other) == 404
    assert await status("GET", "", operator) == 200
    assert await status("POST", "/rotate", operator, json={}) == 404  # a secret is its owner's
    assert await status("PATCH", "", operator | match, json={"enabled": False}) == 200
    assert [each["enabled"] for each in (await intake.http.get("/v1/webhooks", headers=mine)).json()["items"]] == [
        False
    ]
    reason = (await intake.http.get(path, headers=mine)).json()["disabled_reason"]
    assert reason.startswith("disabled by client:client-"), "its owner sees that somebody else did it"
    assert await status("DELETE", "", mine) == 200
    assert await status("GET", "", mine) == 404


_REFUSED = {
    "https://127.0.0.1.example.com@evil/": "without a user",
    "https://user:word@hooks.example.com/": "without a user",
    "https://10.0.0.1/": "not public",
    "https://169.254.169.254/latest/meta-data": "not public",
    "https://[::1]/": "not public",
    "https://[::ffff:10.0.0.1]/": "not public",
    "https://[::ffff:7f00:1]:8443/": "not public",
    "https://[::127.0.0.1]/": "not public",
    "https://[64:ff9b::a00:1]/": "not public",
    "https://[fe80::1%25eth0]/": "not public",
    "http://8.8.8.8/": "plain HTTP",
    "https://[::1/": "malformed",
    "https://hooks.example.com:99999/": "malformed",
    f"https://{'a' * 64}.example.com/": "malformed",
    "https://hooks.example.com:0/": "port is 0",
}


async def test_urls_that_lead_nowhere_public_are_refused_at_once(intake: Intake) -> None:
    for url, fault in _REFUSED.items():
        answer = await intake.http.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (400, "url_not_allowed"), url
        assert fault in answer.json()["errors"][0]["detail"], url
    for url in (
        "ftp://hooks.example.com/",
        "https://",
        "https://b\u00fccher.example/",
        f"https://e.org/{'a' * 2000}",
        "",
    ):
        answer = await intake.http.post("/v1/webhooks", json={"url": url})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/url"), url


async def test_odd_urls_that_may_be_called_are_taken_as_they_are(intake: Intake) -> None:
    for url in (
        "https://xn--bcher-kva.example:8443/hook?a=b#c",
        "https://HOOKS.example.com./",
        f"https://example.com/{'a' * 1_970}",
        "https://[2606:4700:4700::1111]:8443/hook",
    ):
        assert (await create(intake, url))["url"] == url


async def test_unknown_types_and_too_many_endpoints_are_refused(intake: Intake) -> None:
    body = {"url": "https://hooks.example.com/", "types": ["support.ticket.created.v1", "support.ticket.exploded.v1"]}
    refused = await intake.http.post("/v1/webhooks", json=body)
    assert refused.json()["errors"] == [{"pointer": "/types/1", "detail": "is no event type"}]
    for _ in range(20):
        await create(intake, "https://hooks.example.com/")
    one_more = await intake.http.post("/v1/webhooks", json={"url": "https://hooks.example.com/"})
    assert (one_more.status_code, one_more.json()["code"]) == (409, "too_many_endpoints")
    pages: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await intake.http.get("/v1/webhooks", params={"limit": "7", **cursor})).json()
        pages += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(set(pages)) == len(pages) == 20


async def test_an_endpoint_gets_what_is_told_after_it_was_made(intake: Intake) -> None:
    await intake.open()
    hook = await create(intake, "https://hooks.example.com/")
    await feed(intake)
    assert await log(intake, hook) == []
    await intake.open()
    await feed(intake)
    assert told_types(await log(intake, hook)) == ["ticket.created", "message.added"]


async def test_a_replay_comes_in_order_with_the_same_ids_and_then_goes_on(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        early = await intake.open(ref="early")
        await feed(intake)
        await all_delivered(intake, hook, 3)
        intake.clock.move(timedelta(hours=1))
        since = intake.clock.now()
        for tag in ("a", "b", "c"):
            await intake.http.put(f"/v1/tickets/{early['id']}/tags/{tag}")
        await feed(intake)
        await all_delivered(intake, hook, 6)
        first = [seen.headers["webhook-id"] for seen in receiver.seen]
        replayed = await intake.http.post(f"/v1/webhooks/{hook['id']}/replay", json={"since": since.isoformat()})
        assert replayed.status_code == 202
        await intake.http.put(f"/v1/tickets/{early['id']}/tags/d")
        await feed(intake)
        await all_delivered(intake, hook, 7)

        async def all_seen() -> bool:
            return len(receiver.seen) == 10

        await eventually(all_seen)
    again = [seen.headers["webhook-id"] for seen in receiver.seen][6:]
    assert again[:3] == first[3:]
    assert [body_of(seen)["subjectseq"] for seen in receiver.seen[6:]] == [3, 4, 5, 6]
    ahead = {"since": "2027-03-01T00:00:00Z"}
    assert (await intake.http.post(f"/v1/webhooks/{hook['id']}/replay", json=ahead)).status_code == 400


async def test_one_delivery_is_made_again_with_its_id(intake: Intake) -> None:
    receiver = Peer()
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url)
        await intake.http.post(f"/v1/webhooks/{hook['id']}/test")
        await all_delivered(intake, hook, 1)
        [item] = await log(intake, hook)
        path = f"/v1/webhooks/{hook['id']}/deliveries"
        again = await intake.http.post(f"{path}/{item['event_id']}/redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "waiting")

        async def twice() -> bool:
            return len(receiver.seen) == 2

        await eventually(twice)
        await all_delivered(intake, hook, 1)
        absent = await intake.http.post(f"{path}/{hook['id']}/redeliver")
    assert len({seen.headers["webhook-id"] for seen in receiver.seen}) == 1
    assert absent.status_code == 404


async def test_the_log_is_filtered_by_state_and_subject(intake: Intake) -> None:
    receiver = Peer(answers=[(500, {}, b"")])
    async with serving(receiver) as url, sending(intake):
        hook = await create(intake, url, types=["support.ticket.created.v1"])
        first = await intake.open(ref="1")
        await feed(intake)
        await webhooks.attempted(intake, hook, 1)
        second = await intake.open(ref="2")
        await feed(intake)

        async def one_delivered() -> bool:
            return len(await log(intake, hook, state="delivered")) == 1

        await eventually(one_delivered)
    [retried] = await log(intake, hook, state="retrying")
    assert (retried["subject"], retried["last_status"], retried["error"]) == (
        f"ticket/{first['id']}", 500, "status 500",
    )  # fmt: skip
    assert retried["next_attempt_at"] > retried["last_attempt_at"]
    assert [each["state"] for each in await log(intake, hook, subject=f"ticket/{second['id']}")] == ["delivered"]
    assert await log(intake, hook, state="waiting") == []
    wrong = await intake.http.get(f"/v1/webhooks/{hook['id']}/deliveries", params={"state": "lost"})
    assert wrong.status_code == 400


async def test_a_deleted_endpoint_leaves_nothing_behind(intake: Intake) -> None:
    hook = await create(intake, "https://hooks.example.com/")
    await intake.open()
    await feed(intake)
    assert (await intake.http.delete(f"/v1/webhooks/{hook['id']}")).status_code == 200
    async with intake.database.read() as connection:
        for table in ("endpoint", "key", "feed", "line", "delivery"):
            left = await connection.scalar(text(f"select count(*) from webhook_{table}"))  # noqa: S608 - own names
            assert left == 0, table


async def test_old_deliveries_go_and_retired_secrets_too(intake: Intake) -> None:
    async with serving(Peer()) as url, sending(intake):
        hook = await create(intake, url)
        await intake.http.post(f"/v1/webhooks/{hook['id']}/rotate", json={})
        await intake.open()
        await feed(intake)
        await all_delivered(intake, hook, 3)
        intake.clock.move(timedelta(days=13))
        await intake.open()
        await feed(intake)
        await all_delivered(intake, hook, 5)
    intake.clock.move(timedelta(days=2))
    [prune] = [work for work in intake.service.periodic if work.name == "prune-webhooks"]
    async with intake.database.begin(Origin(actor="service:intake")) as tx:
        await prune.run(tx)
    assert len(await log(intake, hook)) == 2
    async with intake.database.read() as connection:
        assert await connection.scalar(text("select count(*) from webhook_key")) == 1


async def test_edits_need_the_version_that_was_seen(intake: Intake) -> None:
    hook = await create(intake, "https://hooks.example.com/", description="ours")
    path = f"/v1/webhooks/{hook['id']}"
    assert (await intake.http.patch(path, json={"enabled": False})).status_code == 428
    edited = await edit(intake, hook, url="https://other.example.com/", types=["support.ticket.created.v1"])
    assert edited["types"] == ["support.ticket.created.v1"]
    stale = await intake.http.patch(path, json={"description": "x"}, headers={"if-match": '"1"'})
    assert stale.status_code == 412
    shown = await show(intake, hook)
    assert (shown["url"], shown["description"], shown["version"]) == ("https://other.example.com/", "ours", 2)
