"""Routing over HTTP: what callers send, get and are refused."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from common.ids import new_id
from contracts.words import SkillNeed
from routing.queues.domain import CATCH_ALL_ID
from tests.integration.routing.conftest import Routing, needs


async def post(routing: Routing, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """A command; `if_match` gives the header of that name."""
    return await routing.http.post(path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def register(routing: Routing, **given: Any) -> dict[str, Any]:
    """An agent registered over HTTP, online unless said otherwise."""
    answer = await post(routing, "/v1/agents", {"name": "Ada", "presence": "online", **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_agent_is_registered_changed_and_listed(routing: Routing) -> None:
    agent = await register(routing, email="ada@example.org", teams=["night", "night"], skills={"net": 3})
    assert agent["teams"] == ["night"]
    assert agent["capacity_quarters"] == 40
    path = f"/v1/agents/{agent['agent_id']}"
    shown = await routing.http.get(path)
    assert shown.headers["etag"] == '"1"'

    assert (await routing.http.patch(path, json={"tier": 2})).status_code == 428
    stale = await routing.http.patch(path, json={"tier": 2}, headers={"if-match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")
    changed = await routing.http.patch(path, json={"tier": 2, "languages": ["de"]}, headers={"if-match": '"1"'})
    assert changed.status_code == 200
    assert (changed.json()["tier"], changed.json()["languages"], changed.headers["etag"]) == (2, ["de"], '"2"')
    assert "support-event" in changed.headers
    same = await routing.http.patch(path, json={"tier": 2}, headers={"if-match": '"2"'})
    assert same.headers["etag"] == '"2"'
    assert await routing.told(UUID(agent["agent_id"])) == [
        "agent.registered",
        "agent.skill_changed",
        "agent.presence_changed",
        "agent.tier_changed",
        "agent.updated",
    ]

    await register(routing, name="Bo")
    page = (await routing.http.get("/v1/agents?limit=1")).json()
    rest = (await routing.http.get("/v1/agents", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert [page["items"][0]["name"], rest["items"][0]["name"], rest["next_cursor"]] == ["Ada", "Bo", None]
    for query, names in (("team=night", ["Ada"]), ("skill=billing", []), ("presence=online", ["Ada", "Bo"])):
        found = (await routing.http.get(f"/v1/agents?{query}")).json()["items"]
        assert [each["name"] for each in found] == names
    assert (await routing.http.get("/v1/teams")).json()["items"] == [{"name": "night", "agents": 1, "online": 1}]


async def test_skills_are_made_known_before_they_are_given(routing: Routing) -> None:
    agent = await register(routing)
    path = f"/v1/agents/{agent['agent_id']}/skills"
    assert (await routing.http.put(f"{path}/cobol", json={"level": 2})).status_code == 404
    assert (await post(routing, "/v1/skills", {"name": "cobol", "parent": "nothing"})).status_code == 400
    assert (await post(routing, "/v1/skills", {"name": "cobol", "parent": "net"})).status_code == 201
    twice = await post(routing, "/v1/skills", {"name": "cobol"})
    assert (twice.status_code, twice.json()["code"]) == (409, "skill_exists")
    assert (await routing.http.put(f"{path}/cobol", json={"level": 6})).status_code in (400, 422)
    assert (await routing.http.put(f"{path}/cobol", json={"level": 2})).json()["skills"] == {"cobol": 2}
    assert (await routing.http.put(f"{path}/cobol", json={"level": 0})).json()["skills"] == {}
    refused = await post(routing, "/v1/agents", {"name": "Bo", "skills": {"latin": 1}})
    assert refused.json()["code"] == "unknown_skill"
    names = [each["name"] for each in (await routing.http.get("/v1/skills")).json()["items"]]
    assert names == ["billing", "cobol", "net", "x", "y"]


async def test_a_taken_email_is_refused(routing: Routing) -> None:
    await register(routing, email="ada@example.org")
    other = await register(routing, email="")
    assert (await post(routing, "/v1/agents", {"name": "Bo", "email": "ada@example.org"})).status_code == 409
    path = f"/v1/agents/{other['agent_id']}"
    answer = await routing.http.patch(path, json={"email": "ada@example.org"}, headers={"if-match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


async def test_an_idempotency_key_registers_once(routing: Routing) -> None:
    first = await post(routing, "/v1/agents", {"name": "Ada"}, idempotency_key="k1")
    again = await post(routing, "/v1/agents", {"name": "Ada"}, idempotency_key="k1")
    other = await post(routing, "/v1/agents", {"name": "Bo"}, idempotency_key="k1")
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert other.status_code == 422


async def test_desks_are_opened_changed_and_guarded(routing: Routing) -> None:
    body = {
        "name": "Network",
        "match": {"category": {"eq": "network"}, "impact": {"in": [1, 2]}},
        "priority": 5,
        "required_skills": [{"skill": "net", "level": 3, "hard_level": 2}],
    }
    answer = await post(routing, "/v1/queues", body)
    assert answer.status_code == 201, answer.text
    queue = answer.json()
    assert queue["match"] == body["match"]
    assert (await post(routing, "/v1/queues", body)).json()["code"] == "queue_exists"
    wrong = await post(routing, "/v1/queues", {"name": "x", "match": {"colour": {"eq": "red"}}})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/match/colour")
    assert (await post(routing, "/v1/queues", {"name": "x", "match": {"category": {"like": "n"}}})).status_code >= 400
    strange = await post(routing, "/v1/queues", {"name": "x", "required_skills": [{"skill": "latin"}]})
    assert strange.json()["code"] == "unknown_skill"

    path = f"/v1/queues/{queue['queue_id']}"
    assert (await routing.http.patch(path, json={"mode": "offer"})).status_code == 428
    changed = await routing.http.patch(path, json={"mode": "offer"}, headers={"if-match": '"1"'})
    assert (changed.json()["mode"], changed.headers["etag"]) == ("offer", '"2"')
    fixed = f"/v1/queues/{CATCH_ALL_ID}"
    refused = await routing.http.patch(fixed, json={"priority": 1}, headers={"if-match": '"1"'})
    assert (refused.status_code, refused.json()["code"]) == (409, "catch_all_queue")
    names = [each["name"] for each in (await routing.http.get("/v1/queues")).json()["items"]]
    assert names == ["Network", "Everything else"]


async def test_a_ticket_is_seen_waiting_with_its_reason_then_assigned_and_explained(routing: Routing) -> None:
    decider = await routing.decider()
    agent = await register(routing, presence="away", skills={"net": 4})
    ticket = await routing.open(priority="normal", skills_hint=needs(net=3))
    await decider.decide_once()

    waiting = (await routing.http.get(f"/v1/queues/{CATCH_ALL_ID}/work")).json()["items"]
    assert [each["ticket_id"] for each in waiting] == [str(ticket)]
    assert waiting[0]["why"]["words"]
    assert waiting[0]["why"]["funnel"]["present"] == 0
    shown = await routing.http.get(f"/v1/work-items/{ticket}")
    assert (shown.json()["state"], shown.json()["why"]["ring"]) == ("queued", 1)
    stats = (await routing.http.get(f"/v1/queues/{CATCH_ALL_ID}/stats")).json()
    assert (stats["waiting"], stats["waiting_by_priority"]) == (1, {"normal": 1})

    path = f"/v1/agents/{agent['agent_id']}"
    online = await routing.http.put(f"{path}/presence", json={"presence": "online"})
    assert online.json()["presence_set_by"] == "supervisor"
    await decider.decide_once()

    mine = (await routing.http.get(f"{path}/work")).json()["items"]
    assert [(each["ticket_id"], each["method"], each["quarters"]) for each in mine] == [(str(ticket), "auto", 8)]
    load = (await routing.http.get(f"{path}/load")).json()
    assert (load["load_quarters"], load["free_quarters"], load["tickets"]) == (8, 32, 1)
    [decision] = (await routing.http.get(f"/v1/work-items/{ticket}/decisions")).json()["items"]
    assert decision["agent_id"] == agent["agent_id"]
    assert decision["words"]
    assert (
        decision["cost"]["total"]
        == sum(decision["cost"][term] for term in ("tier", "flexibility", "packing"))
        - decision["cost"]["proficiency"]
        - decision["cost"]["idle"]
    )
    assert (await routing.http.get(f"/v1/decisions/{decision['decision_id']}")).json() == decision
    assert (await routing.http.get(f"/v1/decisions/{new_id()}")).status_code == 404


async def test_work_is_commanded_by_its_version(routing: Routing) -> None:
    agent = await register(routing, max_weight=1)
    ticket, other = await routing.open(), await routing.open()
    path = f"/v1/work-items/{ticket}"
    tag = (await routing.http.get(path)).headers["etag"]
    body = {"agent_id": agent["agent_id"]}
    assert (await post(routing, f"{path}/assign", body)).status_code == 428
    assert (await post(routing, f"{path}/assign", body, if_match='"99"')).status_code == 412
    stranger = await post(routing, f"{path}/assign", {"agent_id": str(new_id())}, if_match=tag)
    assert (stranger.status_code, stranger.json()["errors"][0]["pointer"]) == (400, "/agent_id")
    assigned = await post(routing, f"{path}/assign", body, if_match=tag)
    assert (assigned.status_code, assigned.json()["assignment"]["method"]) == (200, "manual")

    full = f"/v1/work-items/{other}/assign"
    refused = await post(routing, full, body, if_match='"2"')
    assert (refused.status_code, refused.json()["code"]) == (409, "no_capacity")
    weak = routing.key("routing:write")
    answer = await routing.http.post(full, json={**body, "override_reason": "now"}, headers={**weak, "if-match": '"2"'})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    over = await post(routing, full, {**body, "override_reason": "now"}, if_match='"2"')
    assert over.json()["assignment"]["override_reason"] == "now"

    back = await post(routing, f"{path}/unassign", if_match=assigned.headers["etag"])
    assert (back.status_code, back.json()["state"]) == (200, "queued")
    assert (await post(routing, f"{path}/unassign", if_match=back.headers["etag"])).json()["code"] == "not_assigned"
    moved = await post(routing, f"{path}/requeue", {"queue_id": str(CATCH_ALL_ID)}, if_match=back.headers["etag"])
    assert moved.json()["pinned"] is True
    pulled = await post(routing, f"/v1/queues/{CATCH_ALL_ID}/pull-next", body)
    assert (pulled.status_code, pulled.json()["code"]) == (409, "nothing_to_pull")
    assert await routing.violations() == {}


async def test_offers_are_waited_for_and_answered(routing: Routing) -> None:
    await routing.offer_mode()
    agent = await register(routing)
    decider = await routing.decider()
    path = f"/v1/agents/{agent['agent_id']}/offers"
    assert (await routing.http.get(path)).json() == {"items": []}

    async def offer_soon() -> UUID:
        ticket = await routing.open()
        await decider.decide_once()
        return ticket

    waited, ticket = await asyncio.gather(routing.http.get(f"{path}?wait_s=30"), offer_soon())
    [offer] = waited.json()["items"]
    assert offer["ticket_id"] == str(ticket)
    declined = await post(routing, f"/v1/offers/{offer['offer_id']}/decline", {"reason": "busy"})
    assert (declined.status_code, declined.json()["state"]) == (200, "queued")
    ended = await post(routing, f"/v1/offers/{offer['offer_id']}/accept")
    assert (ended.status_code, ended.json()["code"]) == (409, "offer_ended")

    routing.clock.move(timedelta(minutes=10))
    await decider.decide_once()
    [offer] = (await routing.http.get(path)).json()["items"]
    other = {"support-actor": f"agent:{new_id()}"}
    forbidden = await routing.http.post(f"/v1/offers/{offer['offer_id']}/accept", headers=other)
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "not_your_offer")
    mine = {"support-actor": f"agent:{agent['agent_id']}"}
    accepted = await routing.http.post(f"/v1/offers/{offer['offer_id']}/accept", headers=mine)
    assert accepted.json()["assignment"]["method"] == "offer"
    assert (await post(routing, f"/v1/offers/{new_id()}/accept")).status_code == 404


@pytest.mark.parametrize("sentence", ["The customer, Mr Smith, is my cousin.", "Busy", "", "x" * 65, "a b", "_a"])
async def test_a_reason_that_is_told_is_a_code(routing: Routing, sentence: str) -> None:
    """Events keep it for good, so that nobody can write a sentence about a person into one."""
    agent = await register(routing)
    refused = await post(routing, f"/v1/offers/{new_id()}/decline", {"reason": sentence})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/reason")
    if sentence:
        body = {"agent_id": agent["agent_id"], "override_reason": sentence}
        refused = await post(routing, f"/v1/work-items/{new_id()}/assign", body, if_match='"1"')
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/override_reason")


async def test_the_supervisors_list_shows_unroutable_and_handed_back_work(routing: Routing) -> None:
    decider = await routing.decider()
    await register(routing, skills={"net": 1})
    hopeless = await routing.open(skills_hint=needs(billing=5))
    fine = await routing.open()
    await decider.decide_once()

    async def listed(query: str) -> list[str]:
        answer = await routing.http.get(f"/v1/work-items?{query}")
        assert answer.status_code == 200, answer.text
        return [each["ticket_id"] for each in answer.json()["items"]]

    assert await listed("state=unroutable") == [str(hopeless)]
    assert await listed("state=assigned") == [str(fine)]
    assert sorted(await listed("")) == sorted([str(hopeless), str(fine)])
    await routing.sql("update work_item set hand_backs = 3 where ticket_id = :id", id=hopeless)
    assert await listed("state=attention") == [str(hopeless)]
    item = (await routing.http.get(f"/v1/work-items/{hopeless}")).json()
    assert item["unroutable"]
    assert item["why"]["missing"]


async def test_a_preview_tells_who_would_get_it_and_changes_nothing(routing: Routing) -> None:
    agent = await register(routing, skills={"net": 4})
    body = {"priority": "urgent", "skills": [{"skill": "net", "level": 3, "hard_level": 3}]}
    answer = await post(routing, "/v1/decisions/preview", body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["decision"]["agent_id"] == agent["agent_id"]
    nobody = await post(routing, "/v1/decisions/preview", {"tier_required": 3})
    assert nobody.json()["decision"] is None
    assert nobody.json()["why"]["missing"]
    ticket = await routing.open()
    real = await post(routing, "/v1/decisions/preview", {"ticket_id": str(ticket)})
    assert real.json()["decision"]["ticket_id"] == str(ticket)
    both = await post(routing, "/v1/decisions/preview", {"ticket_id": str(ticket), "priority": "low"})
    assert both.status_code in (400, 422)
    assert await routing.load(UUID(agent["agent_id"])) == 0


async def test_an_agent_leaves(routing: Routing) -> None:
    agent = await register(routing)
    path = f"/v1/agents/{agent['agent_id']}"
    ticket = await routing.open()
    await (await routing.decider()).decide_once()
    left = await post(routing, f"{path}/deactivate")
    assert (left.status_code, left.json()["active"]) == (200, False)
    assert (await post(routing, f"{path}/deactivate")).status_code == 200
    await routing.fire_due()
    assert await routing.owner(ticket) is None
    refused = await routing.http.put(f"{path}/presence", json={"presence": "online"})
    assert (refused.status_code, refused.json()["code"]) == (409, "agent_inactive")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/agents", {"name": ""}),
        ("POST", "/v1/agents", {"name": "x", "tier": "2"}),
        ("POST", "/v1/agents", {"name": "x", "tier": 4}),
        ("POST", "/v1/agents", {"name": "x", "wings": 2}),
        ("POST", "/v1/agents", {"name": "x", "languages": ["klingon!"]}),
        ("POST", "/v1/agents", {"name": "a\x00b"}),
        ("POST", "/v1/queues", {"name": "x", "tau_s": {"urgent": 1}}),
        ("POST", "/v1/queues", {"name": "x", "match": {"category": {"in": "network"}}}),
        ("POST", "/v1/queues", {"name": "x", "required_skills": [{"skill": "net", "level": 1, "hard_level": 2}]}),
        ("GET", "/v1/agents?limit=0", None),
        ("GET", "/v1/agents?cursor=nonsense", None),
        ("GET", "/v1/agents?skill=%00", None),
        ("GET", "/v1/work-items?state=lost", None),
        ("GET", "/v1/agents/not-an-id", None),
    ],
)
async def test_bad_input_is_refused_with_a_problem(routing: Routing, method: str, path: str, body: Any) -> None:
    answer = await routing.http.request(method, path, json=body)
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"]


async def test_soft_levels_do_not_bind_a_person(routing: Routing) -> None:
    agent = await register(routing, skills={"net": 1})
    ticket = await routing.open(skills_hint=(SkillNeed(skill="net", level=5, hard_level=1),))
    body = {"agent_id": agent["agent_id"]}
    answer = await post(routing, f"/v1/work-items/{ticket}/assign", body, if_match='"2"')
    assert answer.status_code == 200, answer.text


async def test_how_many_like_it_are_ahead_is_said(routing: Routing) -> None:
    await routing.agent(presence="offline")
    tickets: list[UUID] = []
    for _ in range(3):
        tickets.append(await routing.open())
        routing.clock.move(timedelta(seconds=5))
    await routing.open(priority="urgent")
    shown = [(await routing.http.get(f"/v1/work-items/{ticket}")).json()["why"] for ticket in tickets]
    assert [why["ahead"] for why in shown] == [0, 1, 2]
    assert "Like it and ahead of it: 2." in shown[2]["words"]


async def test_an_email_address_taken_at_the_same_time_is_a_conflict(routing: Routing) -> None:
    ids = [await routing.agent(name=str(number)) for number in range(6)]
    answers = await asyncio.gather(
        *(
            routing.http.patch(f"/v1/agents/{each}", json={"email": "a@example.com"}, headers={"if-match": '"1"'})
            for each in ids
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}


async def test_an_agents_work_is_listed_with_every_filter(routing: Routing) -> None:
    agent = await routing.agent()
    await routing.agent(tier=2)
    decider = await routing.decider()
    mine = await routing.open()
    await decider.decide_once()
    await routing.open(skills_hint=needs(net=5))
    for filters, expected in (("", [str(mine)]), ("&state=assigned", [str(mine)]), ("&state=queued", [])):
        listed = await routing.http.get(f"/v1/work-items?agent_id={agent}{filters}")
        assert [item["ticket_id"] for item in listed.json()["items"]] == expected


async def test_who_speaks_a_language_takes_its_regional_forms(routing: Routing) -> None:
    agent = await routing.agent(languages=("de",))
    decider = await routing.decider()
    austrian, french = await routing.open(language="de-AT"), await routing.open(language="fr-CA")
    await decider.decide_once()
    assert await routing.owner(austrian) == agent
    assert await routing.owner(french) is None
