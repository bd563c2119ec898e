"""Messages: who speaks, what it does, and where a word after the end is heard."""

import asyncio
from datetime import timedelta

from common.ids import new_id
from tests.integration.intake.conftest import Intake, key
from tests.integration.intake.test_commands import RESOLUTION, owned


async def test_a_public_reply_takes_a_new_ticket_up(intake: Intake) -> None:
    """open, answered, and told in that order; the agent who speaks is the one who acts."""
    ticket, agent = await intake.open(), new_id()
    answer = await intake.say(ticket["id"], "outbound", agent=agent)
    assert answer.status_code == 201, answer.text
    message = answer.json()
    assert (message["author_type"], message["counts_as_response"], message["position"]) == ("agent", True, 2)
    shown = await intake.show(ticket["id"])
    assert (shown["status"], shown["version"]) == ("open", 2)
    assert shown["first_response_at"] is not None
    told = (await intake.events(ticket["id"]))[2:]
    assert [event["type"] for event in told] == ["support.message.added.v1", "support.ticket.status_changed.v1"]
    assert {event["actor"] for event in told} == {f"agent:{agent}"}
    assert "Hello" not in str(told)


async def test_notes_and_automations_do_not(intake: Intake) -> None:
    """The ticket stays new and at its version."""
    ticket = await intake.open()
    await intake.say(ticket["id"], "internal", agent=new_id())
    await intake.say(ticket["id"], "outbound")
    await intake.say(ticket["id"], "inbound", ack_only=True)
    shown = await intake.show(ticket["id"])
    assert (shown["status"], shown["version"], shown["first_response_at"]) == ("new", 1, None)


async def test_an_automations_response_is_the_first_response(intake: Intake) -> None:
    """Where it is said to count: noted and told, at a new version, on a ticket that stays new. Later ones are not."""
    ticket = await intake.open()
    intake.clock.move(timedelta(minutes=1))
    message = (await intake.say(ticket["id"], "outbound", counts_as_response=True)).json()
    assert (message["author_type"], message["counts_as_response"]) == ("automation", True)
    shown = await intake.show(ticket["id"])
    assert (shown["status"], shown["version"]) == ("new", 2)
    assert shown["first_response_at"] == message["created_at"]
    assert (await intake.events(ticket["id"]))[-1]["data"]["counts_as_response"] is True
    intake.clock.move(timedelta(minutes=1))
    await intake.say(ticket["id"], "outbound", agent=new_id())
    answered = await intake.show(ticket["id"])
    assert (answered["status"], answered["first_response_at"]) == ("open", shown["first_response_at"])


async def test_an_agent_in_the_body_needs_act_as(intake: Intake) -> None:
    """403 without the scope; with it, the agent acts."""
    ticket, agent = await intake.open(), new_id()
    body = {"direction": "outbound", "body": "b", "author": {"type": "agent", "id": str(agent)}}
    path = f"/v1/tickets/{ticket['id']}/messages"
    denied = await intake.http.post(path, json=body, headers=intake.key("tickets:write"))
    assert denied.status_code == 403
    allowed = await intake.http.post(path, json=body, headers=intake.key("tickets:write", "act-as"))
    assert allowed.json()["author_id"] == str(agent)
    assert (await intake.events(ticket["id"]))[-1]["actor"] == f"agent:{agent}"
    other = {"support-actor": f"agent:{new_id()}"}
    assert (await intake.http.post(path, json=body, headers=other)).status_code == 400


async def test_messages_are_polled_by_position(intake: Intake) -> None:
    """In order, without a gap, also when said at once; an unknown ticket is 404."""
    ticket = await intake.open()
    path = f"/v1/tickets/{ticket['id']}/messages"
    answers = await asyncio.gather(*(intake.say(ticket["id"], "inbound", body=f"m{n}") for n in range(15)))
    assert {answer.status_code for answer in answers} == {201}
    seen, after = [], 0
    while page := (await intake.http.get(path, params={"after": after, "limit": 4})).json()["items"]:
        seen += page
        after = page[-1]["position"]
    assert [message["position"] for message in seen] == list(range(1, 17))
    assert len({message["body"] for message in seen}) == 16
    assert (await intake.http.get(path, params={"after": 16})).json() == {"items": [], "last_position": 16}
    assert (await intake.http.get(f"/v1/tickets/{new_id()}/messages")).status_code == 404
    assert (await intake.say(str(new_id()), "inbound")).status_code == 404


async def test_a_repeat_under_a_key_says_it_once(intake: Intake) -> None:
    """The same answer, one message."""
    ticket = await intake.open()
    headers = {"idempotency-key": key()}
    body = {"direction": "inbound", "body": "again"}
    path = f"/v1/tickets/{ticket['id']}/messages"
    answers = await asyncio.gather(*(intake.http.post(path, json=body, headers=headers) for _ in range(5)))
    assert len({answer.text for answer in answers}) == 1
    assert len((await intake.http.get(path)).json()["items"]) == 2


async def test_the_requester_reopens_a_resolved_ticket(intake: Intake) -> None:
    """Within the window by any word but thanks."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.say(ticket["id"], "inbound", ack_only=True)
    assert (await intake.show(ticket["id"]))["status"] == "resolved"
    intake.clock.move(timedelta(days=6))
    assert (await intake.say(ticket["id"], "inbound")).json()["ticket_id"] == ticket["id"]
    shown = await intake.show(ticket["id"])
    assert (shown["status"], shown["reopen_count"]) == ("open", 1)
    reopened = [e for e in await intake.events(ticket["id"]) if e["type"] == "support.ticket.reopened.v1"]
    assert reopened[0]["data"]["trigger"] == "message"


async def test_a_word_after_the_window_opens_one_follow_up(intake: Intake) -> None:
    """Several words at once: one follow-up ticket takes them all, and the next one too."""
    ticket, _ = await owned(intake, category="login", tags=["vip"])
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    intake.clock.move(timedelta(days=8))
    answers = await asyncio.gather(*(intake.say(ticket["id"], "inbound") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {201}
    [follow_up] = {answer.json()["ticket_id"] for answer in answers}
    assert follow_up != ticket["id"]
    shown = await intake.show(follow_up)
    assert (shown["follow_up_of"], shown["status"]) == (ticket["id"], "new")
    assert (shown["category"], shown["tags"], shown["requester_id"]) == ("login", ["vip"], ticket["requester_id"])
    later = await intake.say(ticket["id"], "inbound")
    assert later.json()["ticket_id"] == follow_up
    assert later.json()["position"] == 6
    assert later.headers["location"].startswith(f"/v1/tickets/{follow_up}/")
    assert (await intake.show(ticket["id"]))["status"] == "resolved"


async def test_follow_ups_form_a_chain(intake: Intake) -> None:
    """A word on the first ticket is heard on the last link that is alive, or makes the next link."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.post(ticket["id"], "confirm")
    second = (await intake.say(ticket["id"], "inbound")).json()["ticket_id"]
    await intake.post(second, "cancel", {"reason": "duplicate"})
    third = (await intake.say(ticket["id"], "inbound")).json()["ticket_id"]
    assert (await intake.show(third))["follow_up_of"] == second
    assert len({ticket["id"], second, third}) == 3


async def test_words_on_two_links_at_once_open_one_follow_up(intake: Intake) -> None:
    """On a ticket and on its cancelled follow-up: all are heard on one new ticket."""
    ticket = await intake.open()
    await intake.post(ticket["id"], "cancel", {"reason": "withdrawn"})
    second = await intake.open(follow_up_of=ticket["id"])
    await intake.post(second["id"], "cancel", {"reason": "withdrawn"})
    answers = await asyncio.gather(*(intake.say(link, "inbound") for link in [ticket["id"], second["id"]] * 4))
    assert {answer.status_code for answer in answers} == {201}
    [third] = {answer.json()["ticket_id"] for answer in answers}
    assert sorted(answer.json()["position"] for answer in answers) == list(range(1, 9))
    assert (await intake.show(third))["follow_up_of"] == second["id"]


async def test_a_follow_up_of_somebody_else_hears_nothing(intake: Intake) -> None:
    """A colleague may continue a ticket; the first requester's words never are shown there, nor on what follows it."""
    ticket = await intake.open(requester={"email": "anna@example.org"})
    await intake.post(ticket["id"], "cancel", {"reason": "withdrawn"})
    colleagues = await intake.open(requester={"email": "bob@example.org"}, follow_up_of=ticket["id"])
    behind_it = await intake.open(requester={"email": "anna@example.org"}, follow_up_of=colleagues["id"])
    word = (await intake.say(ticket["id"], "inbound", body="Anna's secret")).json()
    assert word["ticket_id"] not in (ticket["id"], colleagues["id"], behind_it["id"])
    own = await intake.show(word["ticket_id"])
    assert (own["follow_up_of"], own["requester_id"]) == (ticket["id"], ticket["requester_id"])
    heard = (await intake.http.get(f"/v1/tickets/{colleagues['id']}/messages")).text
    assert "secret" not in heard
    assert (await intake.say(ticket["id"], "inbound")).json()["ticket_id"] == own["id"]


async def test_the_newest_living_follow_up_hears(intake: Intake) -> None:
    """Not a newer one that is cancelled or was resolved too long ago; over two steps; a new one only in the end."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "cancel", {"reason": "withdrawn"})
    first = await intake.open(follow_up_of=ticket["id"])
    second = await intake.open(follow_up_of=first["id"])
    third, _ = await owned(intake, follow_up_of=ticket["id"])
    fourth = await intake.open(follow_up_of=ticket["id"])
    await intake.post(third["id"], "resolve", RESOLUTION)

    async def heard_on() -> str:
        return (await intake.say(ticket["id"], "inbound")).json()["ticket_id"]

    assert await heard_on() == fourth["id"]
    await intake.post(fourth["id"], "cancel", {"reason": "duplicate"})
    intake.clock.move(timedelta(days=8))
    assert await heard_on() == second["id"]
    await intake.post(second["id"], "cancel", {"reason": "duplicate"})
    assert await heard_on() == first["id"]
    await intake.post(first["id"], "cancel", {"reason": "duplicate"})
    fifth = await intake.show(await heard_on())
    assert fifth["follow_up_of"] == fourth["id"]
    assert await heard_on() == fifth["id"]
    assert (await intake.show(third["id"]))["status"] == "resolved"


async def test_a_resolved_follow_up_reopens_within_its_window(intake: Intake) -> None:
    """It is alive as long as its own window is open."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "cancel", {"reason": "withdrawn"})
    follow_up, _ = await owned(intake, follow_up_of=ticket["id"])
    await intake.post(follow_up["id"], "resolve", RESOLUTION)
    assert (await intake.say(ticket["id"], "inbound")).json()["ticket_id"] == follow_up["id"]
    assert (await intake.show(follow_up["id"]))["status"] == "open"


async def test_a_repeat_names_the_same_follow_up(intake: Intake) -> None:
    """201 with the new ticket's id and Location, however often it is sent, also at once."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.post(ticket["id"], "confirm")
    path, headers = f"/v1/tickets/{ticket['id']}/messages", {"idempotency-key": key()}
    body = {"direction": "inbound", "body": "again"}
    answers = await asyncio.gather(*(intake.http.post(path, json=body, headers=headers) for _ in range(4)))
    answers.append(await intake.http.post(path, json=body, headers=headers))
    assert {answer.status_code for answer in answers} == {201}
    [follow_up] = {answer.json()["ticket_id"] for answer in answers}
    assert follow_up != ticket["id"]
    assert {answer.headers["location"] for answer in answers} == {f"/v1/tickets/{follow_up}/messages?after=0"}
    assert answers[-1].headers["idempotency-replayed"] == "true"
    assert len((await intake.http.get(f"/v1/tickets/{follow_up}/messages")).json()["items"]) == 1
    assert len({answer.text for answer in answers}) == 1


async def test_thanks_on_a_closed_ticket_stay_there(intake: Intake) -> None:
    """Visible, and nothing else happens."""
    ticket, _ = await owned(intake)
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    await intake.post(ticket["id"], "confirm")
    thanks = await intake.say(ticket["id"], "inbound", ack_only=True)
    assert thanks.json()["ticket_id"] == ticket["id"]
    assert (await intake.show(ticket["id"]))["status"] == "closed"


async def test_asking_on_a_resolved_ticket_is_refused_whole(intake: Intake) -> None:
    """409, and the message is not there."""
    ticket, agent = await owned(intake)
    await intake.post(ticket["id"], "resolve", RESOLUTION)
    answer = await intake.say(ticket["id"], "outbound", agent=agent, awaits_customer=True)
    assert (answer.status_code, answer.json()["code"]) == (409, "transition_not_allowed")
    assert len((await intake.http.get(f"/v1/tickets/{ticket['id']}/messages")).json()["items"]) == 1
    assert (await intake.say(ticket["id"], "outbound", agent=agent)).status_code == 201


async def test_flags_that_mean_nothing_are_refused(intake: Intake) -> None:
    """400 with a pointer to each."""
    ticket = await intake.open()
    answer = await intake.say(ticket["id"], "internal", ack_only=True, awaits_customer=True)
    assert answer.status_code == 400
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/ack_only", "/awaits_customer"}
