"""A ticket's whole way through both services, by the public API and the topics alone."""

from typing import Any

import httpx
import psutil
import pytest

from contracts.envelope import Event
from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.support.topics import read_topic

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def open_ticket(stack: Stack, key: str, **fields: Any) -> dict[str, Any]:
    async with stack.client("intake") as client:
        answer = await client.post("/v1/tickets", headers={"Idempotency-Key": key}, json=new_ticket(1, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def wait_for(stack: Stack, ticket_id: str, within: float = 60.0, **wanted: object) -> dict[str, Any]:
    async with stack.client("intake") as client:

        async def shown() -> dict[str, Any]:
            ticket = (await client.get(f"/v1/tickets/{ticket_id}")).json()
            assert {name: ticket[name] for name in wanted} == wanted, f"{ticket}\n{stack.logs()}"
            return ticket

        return await eventually(shown, within=within)


async def command(client: httpx.AsyncClient, ticket_id: str, name: str, body: object = None) -> httpx.Response:
    version = (await client.get(f"/v1/tickets/{ticket_id}")).headers["etag"]
    return await client.post(f"/v1/tickets/{ticket_id}/{name}", headers={"If-Match": version}, json=body)


async def test_a_ticket_is_owned_answered_resolved_and_closed(stack: Stack) -> None:
    agent = await register_agent(stack, "journey", skills={"journey": 3})
    ticket = await open_ticket(stack, "journey-1", skills_hint=[{"skill": "journey", "level": 3, "hard_level": 3}])
    owned = await wait_for(stack, ticket["id"], owner_id=agent, status="open", routing_state="assigned")
    assert owned["owner_tier"] == 1
    assert owned["owner_event_id"]
    messages = f"/v1/tickets/{ticket['id']}/messages"

    async with stack.client("intake", actor=f"agent:{agent}") as acting, stack.client("intake") as customer:
        asked = await acting.post(
            messages, json={"direction": "outbound", "body": "Which version?", "awaits_customer": True}
        )
        assert asked.status_code == 201, asked.text
        await wait_for(stack, ticket["id"], status="pending_customer")
        assert (await customer.post(messages, json={"direction": "inbound", "body": "Version 4."})).status_code == 201
        await wait_for(stack, ticket["id"], status="open")
        resolution = {"resolution_code": "fixed", "resolution_summary": "Updated.", "skip_reason": "known fault"}
        assert (await command(acting, ticket["id"], "resolve", resolution)).status_code == 200
        await wait_for(stack, ticket["id"], status="resolved", routing_state="none", owner_id=None)
        assert (await command(customer, ticket["id"], "confirm")).status_code == 200

        timeline = (await customer.get(f"/v1/tickets/{ticket['id']}/timeline", params={"limit": 200})).json()["items"]
    told = [event["type"].removeprefix("support.").removesuffix(".v1") for event in timeline]
    assert told[0] == "ticket.created"
    assert told.index("work.enqueued") < told.index("assignment.assigned") < told.index("ticket.resolved")
    assert told.index("ticket.resolved") < told.index("assignment.unassigned")
    assert told[-1] != "ticket.created"
    assert told.count("assignment.assigned") == 1


async def test_the_customer_is_never_named_in_an_event(stack: Stack) -> None:
    await register_agent(stack, "discreet", skills={"discreet": 1})
    secret = "Tabitha Quillfeather"
    ticket = await open_ticket(
        stack,
        "discreet-1",
        subject=f"{secret} cannot log in",
        description=f"I am {secret}.",
        requester={"name": secret, "email": "tabitha@example.com"},
        skills_hint=[{"skill": "discreet", "level": 1}],
    )
    await wait_for(stack, ticket["id"], routing_state="assigned")
    for service in stack.topics:
        for event in await read_topic(stack.servers.kafka_bootstrap, stack.topics[service]):
            assert b"Quillfeather" not in event.data
            assert b"tabitha@" not in event.data


async def test_a_senior_stays_free_while_an_entry_agent_can_do_the_work(stack: Stack) -> None:
    senior = await register_agent(stack, "tier-senior", tier=3, skills={"tiers": 5}, max_weight=10)
    mid = await register_agent(stack, "tier-mid", tier=2, skills={"tiers": 4}, max_weight=10)
    entry = await register_agent(stack, "tier-entry", tier=1, skills={"tiers": 3}, max_weight=6)
    need = [{"skill": "tiers", "level": 3, "hard_level": 3}]
    owners = []
    for number in range(4):  # each weighs 2: three fill the entry agent, the fourth goes one tier up
        ticket = await open_ticket(stack, f"tiers-{number}", skills_hint=need)
        owners.append((await wait_for(stack, ticket["id"], routing_state="assigned"))["owner_id"])
    assert owners == [entry, entry, entry, mid]
    hard = await open_ticket(stack, "tiers-hard", skills_hint=need, tier_required=3)
    assert (await wait_for(stack, hard["id"], routing_state="assigned"))["owner_id"] == senior


async def test_every_decision_explains_itself(stack: Stack) -> None:
    await register_agent(stack, "explained", skills={"explained": 2})
    ticket = await open_ticket(stack, "explained-1", skills_hint=[{"skill": "explained", "level": 2}])
    await wait_for(stack, ticket["id"], routing_state="assigned")
    async with stack.client("routing") as client:
        listed = (await client.get(f"/v1/work-items/{ticket['id']}/decisions")).json()["items"]
        assert len(listed) == 1
        decision = (await client.get(f"/v1/decisions/{listed[0]['decision_id']}")).json()
    assert decision["ticket_id"] == ticket["id"]
    assert decision["words"]


async def test_what_nobody_can_do_is_unroutable_at_once_and_routable_when_somebody_learns_it(stack: Stack) -> None:
    ticket = await open_ticket(stack, "rare-1", skills_hint=[{"skill": "rare", "level": 4, "hard_level": 4}])
    await wait_for(stack, ticket["id"], routing_state="unroutable", status="new")
    learned = await register_agent(stack, "rare", skills={"rare": 4})
    await wait_for(stack, ticket["id"], owner_id=learned, routing_state="assigned")


async def test_one_trace_runs_from_the_call_to_the_last_effect(stack: Stack) -> None:
    await register_agent(stack, "traced", skills={"traced": 1})
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with stack.client("intake") as client:
        answer = await client.post(
            "/v1/tickets",
            headers={"Idempotency-Key": "traced-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
            json=new_ticket(1, skills_hint=[{"skill": "traced", "level": 1}]),
        )
    ticket_id = answer.json()["id"]
    await wait_for(stack, ticket_id, routing_state="assigned")
    told: list[Event] = []
    for topic in stack.topics.values():
        events = await read_topic(stack.servers.kafka_bootstrap, topic)
        told.extend(event for event in events if event.subject == f"ticket/{ticket_id}")
    assert {event.type for event in told} >= {"support.ticket.created.v1", "support.assignment.assigned.v1"}
    assert {event.traceparent.split("-")[1] for event in told} == {trace}


async def test_a_caller_reads_its_own_write_across_services(stack: Stack) -> None:
    await register_agent(stack, "own-write", skills={"own-write": 1})
    async with stack.client("intake") as intake, stack.client("routing") as routing:
        for number in range(5):
            answer = await intake.post(
                "/v1/tickets",
                headers={"Idempotency-Key": f"own-write-{number}"},
                json=new_ticket(number, skills_hint=[{"skill": "own-write", "level": 1}]),
            )
            url = f"/v1/work-items/{answer.json()['id']}"
            after = {"Support-After": answer.headers["support-event"]}

            async def seen(url: str = url, after: dict[str, str] = after) -> httpx.Response | None:
                """The answer, unless it is the one that asks to come again: routing waits for two seconds only."""
                given = await routing.get(url, headers=after)
                asks_again = given.status_code == 409 and given.json()["code"] == "not_yet_visible"
                return None if asks_again else given

            found = await eventually(seen)
            assert found is not None
            assert found.status_code == 200, found.text


async def test_a_public_reply_takes_a_ticket_that_has_no_owner(stack: Stack) -> None:
    away = await register_agent(stack, "replier", skills={"reply": 2}, presence="away")
    ticket = await open_ticket(stack, "reply-1", skills_hint=[{"skill": "reply", "level": 2, "hard_level": 2}])
    await wait_for(stack, ticket["id"], routing_state="queued")
    async with stack.client("intake", actor=f"agent:{away}") as acting:
        answer = await acting.post(
            f"/v1/tickets/{ticket['id']}/messages", json={"direction": "outbound", "body": "I am on it."}
        )
        assert answer.status_code == 201, answer.text
    await wait_for(stack, ticket["id"], owner_id=away, status="open", routing_state="assigned")


async def test_workers_stand_behind_apis_on_full_processors(stack: Stack) -> None:
    niceness: dict[str, int] = {}
    for name, process in stack.processes.items():
        assert process.running is not None
        niceness[name] = psutil.Process(process.running.pid).nice()
    apis = {niceness[name] for name in niceness if name.endswith("-api")}
    workers = {niceness[name] for name in niceness if name.endswith("-worker")}
    assert len(workers) == len(apis) == 1
    assert min(workers) > max(apis)
