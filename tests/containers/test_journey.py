"""A ticket's way through the platform in containers, and servers that restart under it."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.containers.installation import ContainedStack
from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.fold import fold
from tests.support.topics import first_appearances, read_topic

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]
_RECOVERY_S = 120.0


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


async def test_a_ticket_is_owned_answered_and_resolved(stack: ContainedStack) -> None:
    agent = await register_agent(stack, "journey", skills={"journey": 3})
    ticket = await open_ticket(stack, "journey-1", skills_hint=[{"skill": "journey", "level": 3, "hard_level": 3}])
    await shown(stack, ticket["id"], owner_id=agent, status="open", routing_state="assigned")
    messages = f"/v1/tickets/{ticket['id']}/messages"
    async with stack.client("intake", actor=f"agent:{agent}") as acting, stack.client("intake") as customer:
        question = {"direction": "outbound", "body": "Which version?", "awaits_customer": True}
        assert (await acting.post(messages, json=question)).status_code == 201
        await shown(stack, ticket["id"], status="pending_customer")
        assert (await customer.post(messages, json={"direction": "inbound", "body": "Version 4."})).status_code == 201
        await shown(stack, ticket["id"], status="open")
        resolution = {"resolution_code": "fixed", "resolution_summary": "Updated.", "skip_reason": "known fault"}
        answer = await command(acting, ticket["id"], "resolve", resolution)
        assert answer.status_code == 200, answer.text
    await shown(stack, ticket["id"], status="resolved", routing_state="none")


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
