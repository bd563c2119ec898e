"""Reading and changing what is known of the people who ask."""

import asyncio
from typing import Any

import pytest

from tests.integration.intake.conftest import Intake


async def person(intake: Intake, **fields: Any) -> dict[str, Any]:
    """Somebody whom a ticket made known."""
    given = {"system": "shop", "external_id": "u1", "name": "Ada", "email": "ada@example.org", **fields}
    ticket = await intake.open(requester=given)
    answer = await intake.http.get(f"/v1/requesters/{ticket['requester_id']}")
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    return answer.json()


async def test_a_person_is_changed(intake: Intake) -> None:
    """One version and one event for what is new; absent fields stay, empty ones are cleared; no text is told."""
    before = await person(intake, language="de", timezone="Europe/Berlin")
    path = f"/v1/requesters/{before['id']}"
    wanted = {"name": "Ada L.", "timezone": "America/New_York", "language": ""}
    answer = await intake.http.patch(path, json=wanted, headers={"if-match": '"1"'})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert after == before | wanted | {"version": 2, "updated_at": after["updated_at"]}
    assert answer.headers["etag"] == '"2"'
    again = await intake.http.patch(path, json=wanted, headers={"if-match": '"2"'})
    assert (again.status_code, again.json()) == (200, after)
    events = (await intake.http.get(f"/v1/events?subject=requester/{before['id']}")).json()["events"]
    assert [event["type"] for event in events] == ["support.requester.created.v1", "support.requester.updated.v1"]
    assert events[0]["data"]["timezone"] == "Europe/Berlin"
    told = events[1]["data"]
    assert (told["fields"], told["timezone"], told["language"]) == (
        ["name", "language", "timezone"],
        "America/New_York",
        "",
    )
    assert "Ada" not in str(events)


async def test_a_person_who_is_an_agent(intake: Intake) -> None:
    """Given along with a ticket, renewed by another, kept where a ticket says nothing, cleared by null; always told."""
    first, second = intake_id()[:-1] + "1", intake_id()[:-1] + "2"
    known = await person(intake, agent_id=first)
    assert known["agent_id"] == first
    assert (await person(intake))["agent_id"] == first
    assert (await person(intake, agent_id=second))["agent_id"] == second
    path = f"/v1/requesters/{known['id']}"
    changes = [({"name": "Bea"}, second), ({"agent_id": None}, None), ({"agent_id": first}, first)]
    for version, (change, expected) in enumerate(changes, start=2):
        answer = await intake.http.patch(path, json=change, headers={"if-match": f'"{version}"'})
        assert (answer.status_code, answer.json()["agent_id"]) == (200, expected)
    events = (await intake.http.get(f"/v1/events?subject=requester/{known['id']}")).json()["events"]
    told = [(event["data"].get("fields"), event["data"]["agent_id"]) for event in events]
    assert told == [
        (None, first),
        (["agent_id"], second),
        (["name"], second),
        (["agent_id"], None),
        (["agent_id"], first),
    ]
    refused = await intake.http.patch(path, json={"agent_id": "ada"}, headers={"if-match": '"5"'})
    assert refused.json()["errors"][0]["pointer"] == "/agent_id"


async def test_two_changes_on_one_version(intake: Intake) -> None:
    """One wins; without If-Match 428; a ticket that renews the person counts too."""
    known = await person(intake)
    path = f"/v1/requesters/{known['id']}"
    answers = await asyncio.gather(
        *(intake.http.patch(path, json={"name": name}, headers={"if-match": '"1"'}) for name in ("B", "C"))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await intake.http.patch(path, json={"name": "D"})).status_code == 428
    assert (await person(intake, name="E"))["version"] == 3
    strange = f"/v1/requesters/{intake_id()}"
    assert (await intake.http.patch(strange, json={"name": "D"}, headers={"if-match": '"1"'})).status_code == 404


def intake_id() -> str:
    """An id that nobody has."""
    return "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"timezone": "Mars/Phobos"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
        ({"language": "German"}, "/language"),
        ({"email": "no address"}, "/email"),
        ({"name": "x" * 301}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"system": "other"}, "/system"),
    ],
)
async def test_bad_changes_are_refused(intake: Intake, change: dict[str, Any], pointer: str) -> None:
    """400 with a pointer, and nothing changes."""
    known = await person(intake)
    path = f"/v1/requesters/{known['id']}"
    answer = await intake.http.patch(path, json=change, headers={"if-match": '"1"'})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)
    assert (await intake.http.get(path)).json() == known


async def test_the_list_of_people(intake: Intake) -> None:
    """By key and organisation, over several pages."""
    organisation = {"external_id": "o"}
    people = [await person(intake, external_id=f"u{n}", organisation=organisation) for n in range(3)]
    other = await person(intake, external_id="o9", system="crm")
    expected = {
        "": [*people, other],
        "system=shop": people,
        "system=shop&external_id=u1": people[1:2],
        f"organisation={people[0]['organisation_id']}": people,
        "external_id=nobody": [],
    }
    for query, found in expected.items():
        items: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = (await intake.http.get(f"/v1/requesters?limit=2&{query}{cursor}")).json()
            items += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert [item["id"] for item in items] == [one["id"] for one in found], query
    assert (await intake.http.get("/v1/requesters?cursor=x")).status_code == 400
