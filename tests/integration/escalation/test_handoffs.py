"""Asking for a handoff: its package, whom it is for, who may ask, and what is listed."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from common.ids import new_id
from contracts.escalation import HandoffRequested
from contracts.intake import TicketStatusChanged
from contracts.routing import (
    AgentDeactivated,
)
from tests.integration.escalation.floor import Floor
from tests.support.handoffs import PACKAGE


async def test_a_request_tells_routing_whom_to_ask_and_keeps_the_owner(floor: Floor) -> None:
    """Everything that routing needs travels in the event, and nothing that the package says."""
    made = await floor.requested(to={"teams": ["net", "net"], "skills": [{"skill": "tls", "level": 4}]})
    assert made["state"] == "requested"
    assert made["from_agent_id"] == str(floor.owner)
    assert made["completeness"] == 1
    assert made["missing"] == []
    assert made["tier_required"] == 2, "one above the sender's"
    body = await floor.last("requested")
    assert isinstance(body, HandoffRequested)
    assert body.to_teams == ("net",)
    assert [need.skill for need in body.skills] == ["tls"]
    assert not body.only_agent
    assert body.expires_at - floor.escalation.clock.now() == timedelta(hours=2)
    assert body.deadline - floor.escalation.clock.now() == timedelta(minutes=30)
    raw = await floor.escalation.sql("select payload from event")
    assert all(b"certificate" not in bytes(row.payload) for row in raw)


async def test_an_addressed_agent_is_asked_alone_unless_more_is_said(floor: Floor) -> None:
    senior = str(floor.seniors[0])
    alone = await floor.requested(to={"agent_id": senior})
    assert alone["only_agent"]
    assert (await floor.withdraw(alone["id"])).json()["state"] == "withdrawn"
    first = await floor.requested(to={"agent_id": senior, "tier": 3})
    assert not first["only_agent"]
    assert first["tier_required"] == 3


@pytest.mark.parametrize(
    ("lost", "empty"),
    list(PACKAGE.items()),
)
async def test_an_incomplete_package_is_refused_by_name(floor: Floor, lost: str, empty: object) -> None:
    answer = await floor.request(package={name: value for name, value in PACKAGE.items() if name != lost})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "package_incomplete"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/package/{lost}"]
    blank = await floor.request(package={**PACKAGE, lost: "  " if isinstance(empty, str) else type(empty)()})
    says_none = lost in ("hypotheses", "evidence", "promises_made")
    assert blank.status_code == (201 if says_none else 400)


async def test_an_emergency_goes_out_at_once_and_its_package_follows(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={"ask": "Now!"})
    assert made["completeness"] == pytest.approx(1 / 11, abs=1e-3)
    assert (await floor.last("requested")).emergency
    due = datetime.fromisoformat(made["package_due_at"])
    assert due - floor.escalation.clock.now() == timedelta(minutes=30)
    path = f"/v1/handoffs/{made['id']}/package"
    acting = {"support-actor": f"agent:{floor.owner}"}
    http = floor.escalation.http
    assert (await http.patch(path, json=PACKAGE, headers=acting)).status_code == 428
    assert (await http.patch(path, json=PACKAGE, headers={**acting, "if-match": "99"})).status_code == 412
    part = await http.patch(path, json={"restatement": "x"}, headers={**acting, "if-match": str(made["version"])})
    assert part.status_code == 200
    assert "handoff.package_completed" not in await floor.told()
    whole = await http.patch(path, json=PACKAGE, headers={**acting, "if-match": part.headers["etag"]})
    assert whole.status_code == 200
    assert whole.json()["package_completed_at"] is not None
    assert (await floor.told()).count("handoff.package_completed") == 1
    spoilt = await http.patch(path, json={"ask": " "}, headers={**acting, "if-match": whole.headers["etag"]})
    assert spoilt.status_code == 400
    assert (await floor.told()).count("handoff.package_completed") == 1


async def test_a_draft_asks_nobody_until_it_is_requested(floor: Floor) -> None:
    draft = await floor.requested(draft=True, package={})
    assert draft["state"] == "draft"
    assert await floor.told() == []
    early = await floor.command(draft["id"], "request", by=floor.owner)
    assert early.json()["code"] == "package_incomplete"
    http = floor.escalation.http
    patched = await http.patch(
        f"/v1/handoffs/{draft['id']}/package",
        json=PACKAGE,
        headers={"support-actor": f"agent:{floor.owner}", "if-match": str(draft["version"])},
    )
    assert patched.status_code == 200, patched.text
    assert (await floor.command(draft["id"], "request", by=floor.seniors[0])).status_code == 403
    requested = await floor.command(draft["id"], "request", by=floor.owner)
    assert requested.json()["state"] == "requested"
    assert await floor.told() == ["handoff.requested"]
    again = await floor.command(draft["id"], "request", by=floor.owner)
    assert (again.status_code, again.json()["code"]) == (409, "handoff_state")


async def test_who_may_ask_and_when(floor: Floor) -> None:
    stranger = await floor.request(by=floor.seniors[0])
    assert (stranger.status_code, stranger.json()["code"]) == (409, "not_owner")
    herself = await floor.request(to={"agent_id": str(floor.owner)})
    assert (herself.status_code, herself.json()["errors"][0]["pointer"]) == (400, "/to/agent_id")
    unknown = await floor.request(to={"agent_id": str(new_id())})
    assert unknown.status_code == 400
    gone = floor.seniors[2]
    await floor.escalation.tell(gone, AgentDeactivated(agent_id=gone))
    assert (await floor.request(to={"agent_id": str(gone)})).json()["code"] == "agent_inactive"
    await floor.requested()
    second = await floor.request()
    assert (second.status_code, second.json()["code"]) == (409, "handoff_open")


async def test_a_client_without_an_agent_hands_over_for_the_owner(floor: Floor) -> None:
    answer = await floor.post(
        f"/v1/tickets/{floor.ticket_id}/handoffs", {"reason_code": "shift_end", "package": PACKAGE}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["from_agent_id"] == str(floor.owner)
    assert answer.json()["tier_required"] == 1, "a change of shift asks for no higher tier"


async def test_nothing_is_handed_over_that_is_over_or_ownerless(floor: Floor) -> None:
    await floor.hear(TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new="resolved"))
    over = await floor.request()
    assert (over.status_code, over.json()["code"]) == (409, "ticket_over")
    orphan = Floor(floor.escalation, await floor.escalation.open(), floor.owner, [])
    assert (await orphan.request()).json()["code"] == "not_owner"
    nowhere = Floor(floor.escalation, new_id(), floor.owner, [])
    assert (await nowhere.request()).status_code == 404


async def test_answers_are_only_for_whom_it_is_offered_to(floor: Floor) -> None:
    """And where routing cannot be reached, the caller is told to repeat."""
    made = await floor.requested()
    senior, other = floor.seniors[:2]
    path = f"/v1/handoffs/{made['id']}"
    early = await floor.post(f"{path}/accept", by=senior)
    assert (early.status_code, early.json()["code"]) == (409, "not_offered")
    await floor.offer(made["id"], senior)
    wrong = await floor.post(f"{path}/decline", {"reason_code": "busy"}, by=other)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "not_offered")
    away = await floor.post(f"{path}/accept", by=senior)
    assert away.status_code == 503
    assert away.headers["retry-after"]
    await floor.accept(made["id"], senior)
    assert (await floor.post(f"{path}/accept", by=senior)).status_code == 200, "a repeat"
    late = await floor.post(f"{path}/accept", by=other)
    assert (late.status_code, late.json()["code"]) == (409, "handoff_accepted")


async def test_lists_by_agent_ticket_and_state_page_by_page(floor: Floor) -> None:
    ids: list[str] = []
    for _ in range(3):
        made = await floor.requested()
        ids.insert(0, made["id"])
        await floor.dequeue(made["id"], "withdrawn")
    made = await floor.requested()
    ids.insert(0, made["id"])
    await floor.accept(made["id"], floor.seniors[0])
    http = floor.escalation.http

    async def pages(path: str, **query: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            asked = {**query, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await http.get(path, params=asked)).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert await pages("/v1/handoffs") == ids
    assert await pages("/v1/handoffs", **{"from": str(floor.owner)}) == ids
    assert await pages("/v1/handoffs", to=str(floor.seniors[0])) == ids[:1]
    assert await pages("/v1/handoffs", state="declined") == ids[1:]
    assert await pages("/v1/handoffs", ticket=str(new_id())) == []
    assert await pages(f"/v1/tickets/{floor.ticket_id}/handoffs") == ids
