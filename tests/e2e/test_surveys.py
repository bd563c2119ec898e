"""A customer's whole way to the survey page and back: asked, dissatisfied, heard, and the ticket open again."""

import re
from typing import Any

import httpx
import pytest

from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

_LINK = re.compile(r"https?://\S+/s/[A-Za-z0-9_-]{43}")
_AT_ONCE: dict[str, Any] = {"delay_s": 0, "local_hours": None, "throttle_s": 0, "reminder_after_s": None}


async def resolved_ticket(stack: Stack, name: str) -> str:
    """A ticket that an agent answered and resolved, and that the policy of its own system asks about at once."""
    agent = await register_agent(stack, name, skills={name: 3})
    wanted = new_ticket(1, skills_hint=[{"skill": name, "level": 3, "hard_level": 3}])
    wanted["source"] = {**wanted.get("source", {"channel": "web"}), "system": name, "external_ref": name}
    async with stack.client("feedback") as feedback:
        policy = {"name": name, "priority": 1, "match": {"system": {"eq": name}}, **_AT_ONCE}
        made = await feedback.post("/v1/survey-policies", json=policy)
        assert made.status_code == 201, made.text
        url = f"/v1/survey-policies/{made.json()['policy_id']}/versions/1/activate"
        assert (await feedback.post(url)).status_code == 200
    async with stack.client("intake", actor=f"agent:{agent}") as acting:
        opened = await acting.post("/v1/tickets", headers={"Idempotency-Key": name}, json=wanted)
        assert opened.status_code == 201, opened.text
        ticket_id: str = opened.json()["id"]

        async def owned() -> bool:
            return (await acting.get(f"/v1/tickets/{ticket_id}")).json()["owner_id"] == agent

        await eventually(owned)
        messages = f"/v1/tickets/{ticket_id}/messages"
        said = await acting.post(messages, json={"direction": "outbound", "body": "Please restart it."})
        assert said.status_code == 201, said.text
        version = (await acting.get(f"/v1/tickets/{ticket_id}")).headers["etag"]
        resolution = {"resolution_code": "fixed", "resolution_summary": "Restarted.", "skip_reason": "known fault"}
        done = await acting.post(f"/v1/tickets/{ticket_id}/resolve", headers={"If-Match": version}, json=resolution)
        assert done.status_code == 200, done.text
    return ticket_id


async def links(stack: Stack, ticket_id: str, count: int) -> list[str]:
    """The links that the customer was sent, as soon as there are so many."""
    async with stack.client("intake") as client:

        async def found() -> list[str]:
            said = (await client.get(f"/v1/tickets/{ticket_id}/messages")).json()["items"]
            sent = [match[0] for each in said if (match := _LINK.search(each["body"]))]
            assert len(sent) >= count, stack.logs()
            return sent

        return await eventually(found, within=90)


async def test_a_dissatisfied_customer_is_heard(stack: Stack) -> None:
    """The link comes as a message; a bad score with consent opens the ticket again and ends the lead's task."""
    ticket_id = await resolved_ticket(stack, "survey-journey")
    [link] = await links(stack, ticket_id, 1)
    async with httpx.AsyncClient(follow_redirects=True) as customer, stack.client("feedback") as feedback:
        page = await customer.get(link)
        assert page.status_code == 200
        answered = await customer.post(f"{link}/response", data={"score": "1", "comment": "It is broken again."})
        assert answered.status_code == 200
        assert 'name="reopen_consent"' in answered.text
        agreed = await customer.post(f"{link}/response", data={"reopen_consent": "yes", "amends": "1"})
        assert agreed.status_code == 200

        async def reopened() -> bool:
            async with stack.client("intake") as client:
                ticket = (await client.get(f"/v1/tickets/{ticket_id}")).json()
            assert (ticket["status"], ticket["reopen_count"]) == ("open", 1), stack.logs()
            [followup] = (await feedback.get("/v1/followups", params={"ticket": ticket_id})).json()["items"]
            return (followup["state"], followup["outcome"]) == ("closed", "reopened")

        await eventually(reopened)
        [survey] = (await feedback.get("/v1/surveys", params={"ticket": ticket_id})).json()["items"]
        assert survey["state"] == "answered"
        assert len(survey["answers"]) == 2


async def test_a_killed_worker_sends_one_link(stack: Stack) -> None:
    """Whatever the worker was at when it was killed: the customer gets one message, and the survey is sent."""
    worker = stack.processes["feedback-worker"]
    ticket_id = await resolved_ticket(stack, "survey-killed")
    worker.kill()
    assert len(await links(stack, ticket_id, 1)) == 1
    async with stack.client("feedback") as feedback:

        async def sent() -> bool:
            [survey] = (await feedback.get("/v1/surveys", params={"ticket": ticket_id})).json()["items"]
            return survey["state"] == "sent"

        await eventually(sent, within=90)
    assert len(await links(stack, ticket_id, 1)) == 1
