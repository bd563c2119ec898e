"""A hard case goes to a senior with its package, comes back with a lesson, and its customer knows who helps."""

from typing import Any

import httpx
import pytest

from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.handoffs import PACKAGE
from tests.support.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


def acting_for(agent: str) -> dict[str, str]:
    return {"Support-Actor": f"agent:{agent}"}


async def shown(client: httpx.AsyncClient, path: str, within: float = 60.0, **wanted: object) -> dict[str, Any]:
    """What an address shows, as soon as it shows what is wanted."""

    async def look() -> dict[str, Any]:
        found = (await client.get(path)).json()
        assert {name: found.get(name) for name in wanted} == wanted, found
        return found

    return await eventually(look, within=within)


async def offered(client: httpx.AsyncClient, handoff_id: str) -> dict[str, Any]:
    """The handoff as soon as somebody is offered it."""

    async def look() -> dict[str, Any] | None:
        handoff = (await client.get(f"/v1/handoffs/{handoff_id}")).json()
        return handoff if handoff["offer_id"] else None

    handoff = await eventually(look, within=60)
    assert handoff is not None
    return handoff


async def test_to_a_senior_and_back(stack: Stack) -> None:
    sender = await register_agent(stack, "Emil", skills={"handing": 3})
    busy = await register_agent(stack, "Ben", tier=3, skills={"handing-senior": 5}, max_offers=5)
    ticket = new_ticket(1, language="de", skills_hint=[{"skill": "handing", "level": 3, "hard_level": 3}])
    senior_skill = [{"skill": "handing-senior", "level": 1, "hard_level": 1}]
    async with stack.client("intake") as intake, stack.client("escalation") as escalation:
        answer = await intake.post("/v1/tickets", json=ticket, headers={"Idempotency-Key": "handing-1"})
        ticket_id, number = answer.json()["id"], answer.json()["number"]
        address = f"/v1/tickets/{ticket_id}"
        await shown(intake, address, owner_id=sender)

        async def requested() -> httpx.Response:
            made = await escalation.post(
                f"{address}/handoffs",
                json={
                    "reason_code": "needs_expertise",
                    "to": {"tier": 3, "skills": senior_skill},
                    "package": PACKAGE,
                },
                headers=acting_for(sender),
            )
            assert made.status_code == 201, made.text
            return made

        handoff = (await eventually(requested, within=30)).json()
        first = await offered(escalation, handoff["id"])
        assert first["offered_to"] == busy
        assert (await shown(intake, address, owner_id=sender))["status"] == "open", "the sender stays the owner"

        # The second senior comes when the first one is asked, and takes what the first one declines.
        grace = await register_agent(stack, "Grace", tier=3, skills={"handing-senior": 5}, max_offers=5)
        path = f"/v1/handoffs/{handoff['id']}"
        declined = await escalation.post(f"{path}/decline", json={"reason_code": "busy"}, headers=acting_for(busy))
        assert declined.status_code == 200, declined.text
        await shown(escalation, path, offered_to=grace, declines=1)
        accepted = await escalation.post(f"{path}/accept", headers=acting_for(grace))
        assert accepted.status_code == 200, accepted.text
        again = await escalation.post(f"{path}/accept", headers=acting_for(grace))
        assert again.status_code == 200, "a repeat"
        await shown(intake, address, owner_id=grace, owner_tier=3)

        async def informed() -> str:
            return (await escalation.get(path)).json()["customer_informed_at"] or ""

        await eventually(informed, within=60)
        messages = (await intake.get(f"{address}/messages")).json()["items"]
        [notice] = [each for each in messages if each["author_type"] == "automation"]
        assert notice["body"].startswith(
            f"Grace, erfahrene Fachkraft aus unserem Support-Team, hat Ihre Anfrage FL-{number}"
        )
        assert not notice["counts_as_response"]

        lesson = {"reason_code": "advice_given", "findings": "Renew it.", "teaching_note": "Look at dates first."}
        tag = (await escalation.get(path)).headers["etag"]
        returned = await escalation.post(f"{path}/return", json=lesson, headers={**acting_for(grace), "If-Match": tag})
        assert returned.status_code == 200, returned.text
        back = await offered(escalation, returned.json()["returned_by"])
        assert back["offered_to"] == sender, "the original owner is asked first"
        taken = await escalation.post(f"/v1/handoffs/{back['id']}/accept", headers=acting_for(sender))
        assert taken.status_code == 200, taken.text
        await shown(intake, address, owner_id=sender, owner_tier=1)

        async def resolved() -> bool:
            version = (await intake.get(address)).headers["etag"]
            body = {"resolution_code": "fixed", "resolution_summary": "Renewed.", "skip_reason": "known fault"}
            done = await intake.post(
                f"{address}/resolve", json=body, headers={**acting_for(sender), "If-Match": version}
            )
            assert done.status_code == 200, done.text
            return True

        await eventually(resolved, within=30)
        await shown(escalation, f"/v1/handoffs/{back['id']}", state="completed")
        listed = (await escalation.get(f"{address}/handoffs")).json()["items"]
        assert [each["state"] for each in listed] == ["completed", "returned"]
