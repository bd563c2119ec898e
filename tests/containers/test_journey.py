"""A ticket's way through the platform in containers, and servers that restart under it."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.containers.installation import ContainedStack
from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.fold import fold
from tests.support.topics import first_appearances, read_topic

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]
_RECOVERY_S = 120.0
_PATIENCE_S = 60.0
_LINK = re.compile(r"/s/[\w-]+")
_PACKAGE: dict[str, Any] = {
    "restatement": "The till cannot reach the server since the update.",
    "impact_and_scope": "One shop, all four tills.",
    "environment": {"version": "4.2"},
    "timeline_summary": "Reported at nine; restarted twice.",
    "steps_tried": [{"step": "restarted the till", "outcome": "no change"}],
    "hypotheses": [],
    "evidence": [],
    "ask": "Look at the certificate store.",
    "customer_mood": "patient",
    "promises_made": [],
    "deadlines_left": "none",
}


async def open_ticket(stack: ContainedStack, key: str, **fields: Any) -> dict[str, Any]:
    async with stack.client("intake") as client:
        answer = await client.post("/v1/tickets", headers={"Idempotency-Key": key}, json=new_ticket(1, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def shown(stack: ContainedStack, ticket_id: str, within: float = 30.0, **wanted: object) -> dict[str, Any]:
    """The ticket, as soon as it shows these fields."""
    async with stack.client("intake") as client:

        async def look() -> dict[str, Any]:
            ticket = (await client.get(f"/v1/tickets/{ticket_id}")).json()
            assert {name: ticket.get(name) for name in wanted} == wanted, f"{ticket}\n{stack.logs()}"
            return ticket

        return await eventually(look, within=within)


async def command(client: httpx.AsyncClient, ticket_id: str, name: str, body: object = None) -> httpx.Response:
    version = (await client.get(f"/v1/tickets/{ticket_id}")).headers["etag"]
    return await client.post(f"/v1/tickets/{ticket_id}/{name}", headers={"If-Match": version}, json=body)


async def hand_over(stack: ContainedStack, ticket_id: str, sender: str) -> str:
    """The sender asks for a senior; whoever is offered it accepts. Returns the receiver's id."""
    async with stack.client("escalation", actor=f"agent:{sender}") as client:

        async def request() -> httpx.Response:  # escalation hears of the owner a moment later than intake
            skill = {"skill": "journey", "level": 3, "hard_level": 3}
            body = {"reason_code": "needs_seniority", "to": {"tier": 3, "skills": [skill]}, "package": _PACKAGE}
            answer = await client.post(f"/v1/tickets/{ticket_id}/handoffs", json=body)
            assert answer.status_code == 201, f"{answer.text}\n{stack.logs()}"
            return answer

        handoff = (await eventually(request, within=_PATIENCE_S)).json()

        async def offered() -> dict[str, Any]:
            shown = (await client.get(f"/v1/handoffs/{handoff['id']}")).json()
            assert shown["offered_to"], f"{shown}\n{stack.logs()}"
            return shown

        receiver = (await eventually(offered, within=_PATIENCE_S))["offered_to"]
    async with stack.client("escalation", actor=f"agent:{receiver}") as client:
        accepted = await client.post(f"/v1/handoffs/{handoff['id']}/accept")
    assert accepted.status_code == 200, accepted.text
    return receiver


async def ask_at_once(stack: ContainedStack) -> None:
    """A survey policy for this journey's tickets alone: no delay, at any hour, no matter who was asked before."""
    rules = {"delay_s": 0, "local_hours": None, "throttle_s": 0, "match": {"category": {"eq": "journey"}}}
    async with stack.client("feedback") as client:
        made = await client.post("/v1/survey-policies", json={"name": "Journey", "priority": 1, **rules})
        assert made.status_code == 201, made.text
        active = await client.post(f"/v1/survey-policies/{made.json()['policy_id']}/versions/1/activate")
    assert active.status_code == 200, active.text


async def answer_survey(stack: ContainedStack, ticket_id: str) -> None:
    """The customer follows the link in their messages and gives the best score; the survey says so."""
    async with stack.client("intake") as customer, stack.client("feedback") as feedback:

        async def linked() -> str:
            listed = (await customer.get(f"/v1/tickets/{ticket_id}/messages", params={"limit": 100})).json()["items"]
            links = [found[0] for message in listed if (found := _LINK.search(message["body"]))]
            assert links, f"{listed}\n{stack.logs()}"
            return links[-1]

        page = await eventually(linked, within=_PATIENCE_S)
        async with httpx.AsyncClient(base_url=stack.urls["feedback"], trust_env=False, timeout=30.0) as anybody:
            shown = await anybody.get(page)
            assert shown.status_code == 200, shown.text
            assert "score" in shown.text
            answered = await anybody.post(f"{page}/response", json={"score": 5, "comment": "Quick."})
        assert answered.status_code in (200, 201), answered.text

        async def told() -> bool:
            (survey,) = (await feedback.get("/v1/surveys", params={"ticket": ticket_id})).json()["items"]
            assert survey["state"] == "answered", survey
            return True

        await eventually(told, within=_PATIENCE_S)


async def test_the_whole_journey(stack: ContainedStack) -> None:
    """Opened, owned, asked and answered, handed over to a senior, resolved, and rated on the page."""
    entry = await register_agent(stack, "journey-entry", skills={"journey": 3})
    senior = await register_agent(stack, "journey-senior", tier=3, skills={"journey": 5})
    await ask_at_once(stack)
    hint = [{"skill": "journey", "level": 3, "hard_level": 3}]
    ticket_id = (await open_ticket(stack, "journey-1", category="journey", skills_hint=hint))["id"]
    await shown(stack, ticket_id, owner_id=entry, status="open", routing_state="assigned")
    messages = f"/v1/tickets/{ticket_id}/messages"
    async with stack.client("intake", actor=f"agent:{entry}") as acting, stack.client("intake") as customer:
        question = {"direction": "outbound", "body": "Which version?", "awaits_customer": True}
        assert (await acting.post(messages, json=question)).status_code == 201
        await shown(stack, ticket_id, status="pending_customer")
        assert (await customer.post(messages, json={"direction": "inbound", "body": "Version 4."})).status_code == 201
        await shown(stack, ticket_id, status="open")

    assert await hand_over(stack, ticket_id, entry) == senior
    await shown(stack, ticket_id, owner_id=senior, owner_tier=3)

    async with stack.client("intake", actor=f"agent:{senior}") as acting:

        async def resolve() -> httpx.Response:  # again where the customer was told who helps meanwhile
            resolution = {"resolution_code": "fixed", "resolution_summary": "Updated.", "skip_reason": "known fault"}
            answer = await command(acting, ticket_id, "resolve", resolution)
            assert answer.status_code == 200, answer.text
            return answer

        await eventually(resolve, within=_PATIENCE_S)
    await shown(stack, ticket_id, status="resolved", routing_state="none")
    await answer_survey(stack, ticket_id)


async def test_a_support_floor_plays_through_the_public_interfaces_alone(stack: ContainedStack) -> None:
    addresses = {f"FRONTLINE_CLI_{service.upper()}_URL": url for service, url in stack.urls.items()}
    demo = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("frontline"),
        *("demo", "--tickets", "12", "--seed", "7"),
        env={**os.environ, **addresses, "FRONTLINE_CLI_KEY": stack.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await demo.communicate()
    assert demo.returncode == 0, f"{said.decode()[-5000:]}\n{stack.logs()}"


async def test_nothing_is_lost_when_the_servers_restart(stack: ContainedStack) -> None:
    """Tickets opened before, during and after a restart of Kafka and of PostgreSQL are each owned exactly once."""
    await register_agent(stack, "restart", skills={"restart": 3}, max_weight=1000)
    opened: list[str] = []

    async def open_more(name: str, count: int) -> None:
        for number in range(count):
            hint = [{"skill": "restart", "level": 3, "hard_level": 3}]
            opened.append((await open_ticket(stack, f"{name}-{number}", skills_hint=hint))["id"])

    async def open_until_done(name: str, restarting: "asyncio.Future[None]") -> None:
        """Keep calling while a server is away; a call that is refused (503) is made again with the same key."""
        number = 0
        while not restarting.done() or number == 0:
            hint = [{"skill": "restart", "level": 3, "hard_level": 3}]
            key, body = f"{name}-{number}", new_ticket(number, skills_hint=hint)

            async def opens(key: str = key, body: dict[str, Any] = body) -> str:
                async with stack.client("intake") as client:
                    answer = await client.post("/v1/tickets", headers={"Idempotency-Key": key}, json=body)
                assert answer.status_code == 201, answer.text
                return str(answer.json()["id"])

            opened.append(await eventually(opens, within=_RECOVERY_S))
            number += 1

    await open_more("before", 5)
    for server in (stack.contained.kafka, stack.contained.postgres):
        restarting = asyncio.ensure_future(asyncio.to_thread(stack.contained.restart, server))
        await open_until_done(str(server.image), restarting)
        await restarting
        await stack.contained.wait()
        await open_more(f"after-{server.image}", 5)
        for ticket_id in opened:
            await shown(stack, ticket_id, within=_RECOVERY_S, routing_state="assigned")
    await stack.wait_until_ready()

    for name, container in stack.containers.items():
        container.reload()
        assert container.status == "running", f"{name}: {stack.log_of(name)}"
    topics = [
        first_appearances(await read_topic(stack.contained.kafka_bootstrap, stack.topics[service]))
        for service in ("intake", "routing")
    ]
    told = fold(topics[0], topics[1])
    assert {told[ticket_id].assigned for ticket_id in opened} == {1}
