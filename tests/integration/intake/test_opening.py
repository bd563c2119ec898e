"""Opening tickets: what is written, what is told, and what two at once do."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from common.ids import new_id
from tests.integration.intake.conftest import Intake, key, ticket_body


async def test_a_ticket_is_opened_and_told_of(intake: Intake) -> None:
    """201 with the ticket, its version and its place; the ticket and its first message are told of."""
    body = ticket_body(impact=1, urgency=2, tags=["b", "a", "b"], custom={"plan": "gold", "seats": 3, "old": None})
    answer = await intake.http.post("/v1/tickets", json=body, headers={"idempotency-key": key()})
    assert answer.status_code == 201, answer.text
    ticket = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["location"] == f"/v1/tickets/{ticket['id']}"
    assert answer.headers["support-event"] == f"intake ticket/{ticket['id']} 2"
    assert ticket["status"] == "new"
    assert ticket["priority"] == "urgent"
    assert ticket["tags"] == ["a", "b"]
    assert ticket["custom"] == {"plan": "gold", "seats": 3}
    assert ticket["reference"] == f"FL-{ticket['number']}"
    assert await intake.show(ticket["id"]) == ticket
    events = await intake.events(ticket["id"])
    assert [event["type"] for event in events] == ["support.ticket.created.v1", "support.message.added.v1"]
    assert [event["subjectseq"] for event in events] == [1, 2]
    assert "Cannot" not in str(events)
    assert "It says no" not in str(events)
    [message] = (await intake.http.get(f"/v1/tickets/{ticket['id']}/messages")).json()["items"]
    assert (message["direction"], message["author_id"]) == ("inbound", ticket["requester_id"])


async def test_a_repeat_needs_a_way_to_be_told(intake: Intake) -> None:
    """Neither a key nor a natural reference: refused, and nothing is written."""
    answer = await intake.http.post("/v1/tickets", json=ticket_body())
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")
    assert (await intake.http.get("/v1/tickets")).json()["items"] == []


async def test_half_a_natural_reference_is_refused(intake: Intake) -> None:
    """system and external_ref go together."""
    for source in ({"channel": "web", "system": "shop"}, {"channel": "web", "external_ref": "1"}):
        body = ticket_body() | {"source": source}
        answer = await intake.http.post("/v1/tickets", json=body, headers={"idempotency-key": key()})
        assert answer.status_code == 400, answer.text


async def test_the_natural_key_finds_the_ticket_again(intake: Intake) -> None:
    """201, then 200 with the same ticket, whatever else the second body says; nothing more is told."""
    first = await intake.http.post("/v1/tickets", json=ticket_body(ref="o/1"))
    second = await intake.http.post("/v1/tickets", json=ticket_body(ref="o/1", subject="Another"))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert "support-event" not in second.headers
    by_ref = await intake.http.get("/v1/tickets/by-ref/shop/o/1")
    assert (by_ref.status_code, by_ref.json()["id"]) == (200, first.json()["id"])
    assert (await intake.http.get("/v1/tickets/by-ref/shop/o/2")).status_code == 404


async def test_twenty_at_once_open_one_ticket(intake: Intake) -> None:
    """The natural key under a race: one 201, nineteen 200, one ticket, one person."""
    answers = await asyncio.gather(*(intake.http.post("/v1/tickets", json=ticket_body(ref="race")) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    tickets = (await intake.http.get("/v1/tickets")).json()["items"]
    assert len(tickets) == 1
    assert len(await intake.events(tickets[0]["id"])) == 2
    feed = (await intake.http.get("/v1/events?limit=500")).json()["events"]
    assert len([event for event in feed if event["type"] == "support.requester.created.v1"]) == 1


async def test_one_key_opens_one_ticket(intake: Intake) -> None:
    """Ten at once under one idempotency key: the same answer for all, one ticket; another body is refused."""
    headers = {"idempotency-key": key()}
    answers = await asyncio.gather(
        *(intake.http.post("/v1/tickets", json=ticket_body(), headers=headers) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 9
    assert len((await intake.http.get("/v1/tickets")).json()["items"]) == 1
    other = await intake.http.post("/v1/tickets", json=ticket_body(subject="Another"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_twenty_tickets_of_one_person(intake: Intake) -> None:
    """At once, for somebody new: twenty tickets with numbers of their own, one person, told of once."""
    tickets = await asyncio.gather(*(intake.open() for _ in range(20)))
    assert len({ticket["number"] for ticket in tickets}) == 20
    assert len({ticket["requester_id"] for ticket in tickets}) == 1
    feed = (await intake.http.get("/v1/events?limit=500")).json()["events"]
    assert [event["subject"] for event in feed if event["type"].startswith("support.requester")] == [
        f"requester/{tickets[0]['requester_id']}"
    ]


async def test_a_person_is_noted_and_renewed(intake: Intake) -> None:
    """New fields replace known ones, empty ones do not; the event names the fields and shows no personal text."""
    first = await intake.open()
    again = {"system": "shop", "external_id": "u1", "name": "Ada L.", "language": "de", "timezone": "Europe/Berlin"}
    second = await intake.open(requester=again)
    assert second["requester_id"] == first["requester_id"]
    person = (await intake.http.get(f"/v1/requesters/{first['requester_id']}")).json()
    assert (person["name"], person["email"], person["language"]) == ("Ada L.", "ada@example.org", "de")
    assert (person["timezone"], person["version"]) == ("Europe/Berlin", 2)
    feed = (await intake.http.get(f"/v1/events?subject=requester/{first['requester_id']}")).json()["events"]
    assert [event["type"] for event in feed] == ["support.requester.created.v1", "support.requester.updated.v1"]
    assert feed[1]["data"]["fields"] == ["name", "language", "timezone"]
    assert (feed[1]["data"]["language"], feed[1]["data"]["timezone"]) == ("de", "Europe/Berlin")
    third = await intake.open(requester={"system": "shop", "external_id": "u1", "timezone": "Asia/Tokyo"})
    last = (await intake.http.get(f"/v1/events?subject=requester/{third['requester_id']}")).json()["events"][-1]
    assert (last["data"]["language"], last["data"]["timezone"]) == ("de", "Asia/Tokyo")
    assert "Ada" not in str(feed)


async def test_people_by_address_and_by_id(intake: Intake) -> None:
    """An address in any case is one person; an id names a known one."""
    one = await intake.open(requester={"email": "Bob@example.org"})
    two = await intake.open(requester={"email": "bob@EXAMPLE.org"})
    three = await intake.open(requester={"id": one["requester_id"]})
    assert one["requester_id"] == two["requester_id"] == three["requester_id"]


async def test_an_organisation_comes_with_its_person(intake: Intake) -> None:
    """Noted once, on the person and on the ticket; a ticket by id takes it over."""
    person: dict[str, Any] = {"system": "shop", "external_id": "u9", "organisation": {"external_id": "o1", "name": "X"}}
    first, second = await intake.open(requester=person), await intake.open(requester=person)
    assert first["organisation_id"] == second["organisation_id"] is not None
    organisation = (await intake.http.get(f"/v1/organisations/{first['organisation_id']}")).json()
    assert (organisation["system"], organisation["name"]) == ("shop", "X")
    third = await intake.open(requester={"id": first["requester_id"]})
    assert third["organisation_id"] == first["organisation_id"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"requester": {"id": str(new_id())}}, "/requester/id"),
        ({"organisation_id": str(new_id())}, "/organisation_id"),
        ({"follow_up_of": str(new_id())}, "/follow_up_of"),
        ({"requester": {}}, "/requester"),
        ({"requester": {"system": "shop"}}, "/requester/external_id"),
        ({"requester": {"email": "a@b", "timezone": "Mars/Phobos"}}, "/requester/timezone"),
        ({"requester": {"id": str(new_id()), "name": "x"}}, "/requester"),
        ({"priority": "urgent"}, "/priority_reason"),
        ({"priority_reason": "because"}, "/priority"),
    ],
)
async def test_what_does_not_fit_is_refused(intake: Intake, change: dict[str, Any], pointer: str) -> None:
    """With a pointer; nothing is written, not even the person."""
    answer = await intake.http.post("/v1/tickets", json=ticket_body(**change), headers={"idempotency-key": key()})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert (await intake.http.get("/v1/events")).json()["events"] == []


async def test_an_override_and_a_follow_up(intake: Intake) -> None:
    """Both stand on the ticket and in its event."""
    first = await intake.open(priority="urgent", priority_reason="the board waits")
    second = await intake.open(follow_up_of=first["id"])
    assert (first["priority"], second["follow_up_of"]) == ("urgent", first["id"])
    [created, _] = await intake.events(second["id"])
    assert created["data"]["follow_up_of"] == first["id"]


async def test_a_proactive_ticket_begins_with_our_note(intake: Intake) -> None:
    """We open it ourselves: the description is no word of the requester's."""
    agent = new_id()
    answer = await intake.http.post(
        "/v1/tickets",
        json=ticket_body(proactive=True),
        headers={"idempotency-key": key(), "support-actor": f"agent:{agent}"},
    )
    [message] = (await intake.http.get(f"/v1/tickets/{answer.json()['id']}/messages")).json()["items"]
    assert (message["direction"], UUID(message["author_id"])) == ("internal", agent)


async def test_without_a_description_there_is_no_message(intake: Intake) -> None:
    """Only the ticket is told of."""
    ticket = await intake.open(description="")
    assert [event["type"] for event in await intake.events(ticket["id"])] == ["support.ticket.created.v1"]
