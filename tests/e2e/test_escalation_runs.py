"""An escalation on the whole real stack: what it says stands on the ticket, what it does happens in all services."""

from typing import Any

import pytest

from common.ids import new_id
from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
WITHIN_S = 60.0


async def test_a_call_for_help_is_heard_and_ends_when_a_senior_takes_the_ticket(stack: Stack) -> None:
    """With the worker killed -9 right after each command: everything is said and done once all the same."""
    name = f"runs-{new_id().hex[-8:]}"
    owner = await register_agent(stack, f"{name}-owner", tier=1, skills={name: 3}, max_weight=1000)
    async with stack.client("intake") as intake, stack.client("routing") as routing:
        need = {"skill": name, "level": 1, "hard_level": 1}
        opened = await intake.post(
            "/v1/tickets",
            headers={"Idempotency-Key": name},
            json=new_ticket(1, skills_hint=[need], tags=[name], impact=2, urgency=3),
        )
        assert opened.status_code == 201, opened.text
        ticket_id: str = opened.json()["id"]

        async def ticket() -> Any:
            return (await intake.get(f"/v1/tickets/{ticket_id}")).json()

        async def said() -> list[Any]:
            items = (await intake.get(f"/v1/tickets/{ticket_id}/messages")).json()["items"]
            return [item for item in items if item["direction"] == "internal"]

        async with stack.client("escalation") as escalation:
            await _add_policy(escalation, name)

            async def escalated() -> Any:
                if (await ticket())["owner_id"] != owner:
                    return None
                answer = await escalation.post(
                    f"/v1/tickets/{ticket_id}/escalate",
                    json={"reason": "The customer is on stage."},
                    headers={"Idempotency-Key": name},
                )
                return answer.json() if answer.status_code == 201 else None

            run = await eventually(escalated, within=WITHIN_S)
            stack.processes["escalation-worker"].kill()

            async def run_now() -> Any:
                return (await escalation.get(f"/v1/escalations/{run['run_id']}")).json()

            async def told_and_raised() -> bool:
                assert len(await said()) == 1, await run_now()
                assert (await ticket())["priority"] == "high", await run_now()
                return True

            await eventually(told_and_raised, within=WITHIN_S)
            assert "The customer is on stage." in (await said())[0]["body"]

            async def recorded() -> bool:
                page = await escalation.get("/v1/notifications", params={"ticket": ticket_id})
                return [item["state"] for item in page.json()["items"]] == ["sent"]

            await eventually(recorded, within=WITHIN_S)
            senior = await register_agent(stack, f"{name}-senior", tier=2, skills={name: 5}, max_weight=1000)
            answer = await escalation.get(f"/v1/escalations/{run['run_id']}")
            raised = await escalation.post(
                f"/v1/escalations/{run['run_id']}/raise", headers={"If-Match": answer.headers["etag"]}
            )
            assert raised.status_code == 200, raised.text
            stack.processes["escalation-worker"].kill()

            async def offered() -> Any:
                page = await escalation.get(f"/v1/tickets/{ticket_id}/handoffs")
                return next((each for each in page.json()["items"] if each["offered_to"] == senior), None)

            handoff = await eventually(offered, within=WITHIN_S)
            assert (handoff["emergency"], handoff["from_agent_id"]) == (True, owner)
            assert (await ticket())["owner_id"] == owner, "the owner stays until somebody accepts"
            accepted = await routing.post(
                f"/v1/offers/{handoff['offer_id']}/accept", headers={"Support-Actor": f"agent:{senior}"}
            )
            assert accepted.status_code == 200, accepted.text

            async def completed() -> bool:
                return (await run_now())["state"] == "completed" and (await ticket())["owner_id"] == senior

            await eventually(completed, within=WITHIN_S)
            shown = await ticket()
            assert (shown["escalation_level"], shown["tier_required"]) == (1, 2)
            assert len(await said()) == 1


async def _add_policy(escalation: Any, tag: str) -> None:
    """Steps for this test's ticket alone: tell, raise the priority, and the tier when somebody wants it."""
    body = {
        "name": tag,
        "priority": 1,
        "triggers": ["manual"],
        "match": {"tags": {"eq": tag}},
        "steps": [
            {"action": "notify", "targets": ["owner"]},
            {"action": "raise_priority"},
            {"action": "raise_tier", "after_s": 86_400},
        ],
    }
    made = await escalation.post("/v1/escalation-policies", json=body)
    assert made.status_code == 201, made.text
    active = await escalation.post(
        f"/v1/escalation-policies/{made.json()['policy_id']}/versions/1/activate",
        headers={"If-Match": made.headers["etag"]},
    )
    assert active.status_code == 200, active.text
