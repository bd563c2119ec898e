"""A stage on which handoffs are raced: the racers, and what routing's tables and the topics say of it afterwards."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from common.ids import new_id
from contracts.envelope import Event
from contracts.registry import decode_body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned
from tests.support.directory import new_ticket, register_agent
from tests.support.eventually import eventually
from tests.support.handoffs import PACKAGE
from tests.support.stack import Stack
from tests.support.topics import first_appearances, read_topic

ROUNDS = 20
AT_ONCE = 5
OUTCOMES = {f"support.handoff.{name}.v1": name for name in ("accepted", "declined", "expired", "withdrawn")}


@dataclass(frozen=True, kw_only=True)
class Round:
    """One ticket in its race, and what its racers were answered."""

    ticket_id: str
    sender: str
    handoff_id: str = ""
    answers: dict[str, httpx.Response] = field(default_factory=dict[str, httpx.Response])

    @property
    def codes(self) -> dict[str, int]:
        return {name: answer.status_code for name, answer in self.answers.items()}


@dataclass(frozen=True, kw_only=True)
class Arena:
    """A running installation with one race's own agents."""

    stack: Stack
    name: str
    intake: httpx.AsyncClient
    routing: httpx.AsyncClient
    escalation: httpx.AsyncClient
    seniors: Sequence[str]

    async def agent(self, name: str, *, skill: str = "", tier: int = 1, presence: str = "online") -> str:
        return await register_agent(
            self.stack,
            f"{self.name}-{name}",
            tier=tier,
            skills={skill or f"{self.name}-work": 3},
            max_weight=1000,
            presence=presence,
        )

    async def open_owned(self, number: int, sender: str, *, skill: str = "") -> str:
        """A ticket that the sender owns, as escalation knows too."""
        body = new_ticket(number, skills_hint=[{"skill": skill or f"{self.name}-work", "level": 1, "hard_level": 1}])
        answer = await self.intake.post("/v1/tickets", headers={"Idempotency-Key": f"{self.name}-{number}"}, json=body)
        assert answer.status_code == 201, answer.text
        ticket_id = answer.json()["id"]

        async def owned() -> bool:
            ticket = (await self.intake.get(f"/v1/tickets/{ticket_id}")).json()
            return ticket["owner_id"] == sender

        await eventually(owned)

        async def drafted() -> bool:
            return (await self.hand_over(ticket_id, sender, draft=True)).status_code == 201

        await eventually(drafted, within=60)
        return ticket_id

    async def request(self, ticket_id: str, sender: str) -> str:
        """A requested handoff to the seniors."""

        async def requested() -> str:
            answer = await self.hand_over(ticket_id, sender)
            assert answer.status_code == 201, answer.text
            return answer.json()["id"]

        return await eventually(requested, within=60)

    async def hand_over(self, ticket_id: str, sender: str, *, draft: bool = False) -> httpx.Response:
        skills = [{"skill": f"{self.name}-senior", "level": 1, "hard_level": 1}]
        body = {
            "reason_code": "needs_seniority",
            "to": {"tier": 3, "skills": skills},
            "package": PACKAGE,
            "draft": draft,
        }
        return await self.escalation.post(f"/v1/tickets/{ticket_id}/handoffs", json=body, headers=acting_for(sender))

    async def offered(self, handoff_id: str, *, to: str = "") -> dict[str, Any]:
        """The handoff as soon as somebody is offered it."""

        async def shown() -> dict[str, Any] | None:
            handoff = (await self.escalation.get(f"/v1/handoffs/{handoff_id}")).json()
            return handoff if handoff["offer_id"] and to in ("", handoff["offered_to"]) else None

        handoff = await eventually(shown, within=60)
        assert handoff is not None
        return handoff

    async def accept(self, handoff: dict[str, Any], *, by_proxy: bool) -> httpx.Response:
        """The offered senior says yes, by escalation or to routing itself; again while a server is away."""
        headers = {**acting_for(handoff["offered_to"]), "Idempotency-Key": str(new_id())}

        async def answered() -> httpx.Response | None:
            if by_proxy:
                answer = await self.escalation.post(f"/v1/handoffs/{handoff['id']}/accept", headers=headers)
            else:
                answer = await self.routing.post(f"/v1/offers/{handoff['offer_id']}/accept", headers=headers)
            return None if answer.status_code == 503 else answer

        answer = await eventually(answered, within=60)
        assert answer is not None
        return answer

    async def take_when_offered(self, ticket_id: str) -> httpx.Response | None:
        """A senior who accepts whatever of this ticket is offered, until the handoff ends or its ticket does."""
        answers: list[httpx.Response] = []

        async def over() -> bool:
            items = (await self.escalation.get(f"/v1/tickets/{ticket_id}/handoffs")).json()["items"]
            listed = [each for each in items if each["requested_at"]]
            if listed and listed[0]["state"] != "requested":
                return True
            if listed and listed[0]["offer_id"]:
                # The list may be a moment behind: an offer that has ended is refused, and the next one is shown soon.
                answers.append(await self.accept(listed[0], by_proxy=False))
                return answers[-1].status_code == 200
            ticket = (await self.intake.get(f"/v1/tickets/{ticket_id}")).json()
            return ticket["status"] == "resolved" and not listed

        await eventually(over, within=60)
        return answers[-1] if answers else None

    async def withdraw(self, handoff: dict[str, Any]) -> httpx.Response:
        """Withdraw; again as long as routing has not said what came of it."""
        headers = {**acting_for(handoff["from_agent_id"]), "If-Match": str(handoff["version"])}

        async def answered() -> httpx.Response | None:
            answer = await self.escalation.post(f"/v1/handoffs/{handoff['id']}/withdraw", headers=headers)
            return None if answer.status_code == 503 else answer

        answer = await eventually(answered, within=60)
        assert answer is not None
        return answer

    async def settled(self, handoff_id: str) -> dict[str, Any]:
        """The handoff when it waits for nobody any more."""

        async def shown() -> dict[str, Any] | None:
            handoff = (await self.escalation.get(f"/v1/handoffs/{handoff_id}")).json()
            return handoff if handoff["state"] != "requested" else None

        handoff = await eventually(shown, within=60)
        assert handoff is not None
        return handoff

    async def run(self, race: Callable[[int], Awaitable[Round]]) -> list[Round]:
        """Every round, a few side by side."""
        rounds: list[Round] = []
        for first in range(0, ROUNDS, AT_ONCE):
            rounds += await asyncio.gather(*(race(number) for number in range(first, first + AT_ONCE)))
        return rounds

    async def owner(self, ticket_id: str) -> str | None:
        """Who owns the ticket by routing's tables. Fails where two do, or nobody did between sender and receiver."""
        connection = await asyncpg.connect(self.stack.database_urls["routing"])
        try:
            rows = await connection.fetch(
                "select agent_id, started_at, ended_at, end_reason, method from assignment where ticket_id = $1"
                " order by started_at, ended_at nulls last",
                UUID(ticket_id),
            )
        finally:
            await connection.close()
        active = [row for row in rows if row["ended_at"] is None]
        assert len(active) < 2, f"two owners of {ticket_id}: {rows}"
        ends = sorted(row["ended_at"] for row in rows if row["end_reason"] == "handoff")
        starts = sorted(row["started_at"] for row in rows if row["method"] == "handoff")
        assert set(ends) <= set(starts), f"nobody owned {ticket_id} meanwhile: {rows}"
        return str(active[0]["agent_id"]) if active else None


def acting_for(agent: str) -> dict[str, str]:
    return {"Support-Actor": f"agent:{agent}"}


@asynccontextmanager
async def open_arena(stack: Stack, name: str, *, seniors: int = 1) -> AsyncGenerator[Arena]:
    """An arena with so many seniors, who alone have its senior skill."""
    async with stack.client("intake") as intake, stack.client("routing") as routing, stack.client("escalation") as own:
        ids = [
            await register_agent(
                stack,
                f"{name}-senior-{number}",
                tier=3,
                skills={f"{name}-senior": 5},
                max_weight=1000,
                max_offers=20,
            )
            for number in range(seniors)
        ]
        yield Arena(stack=stack, name=name, intake=intake, routing=routing, escalation=own, seniors=ids)


async def outcomes_of(stack: Stack, rounds: Sequence[Round]) -> dict[str, str]:
    """By handoff, how it ended by the topic. Fails where one has two outcomes, or none in the end."""
    wanted = {each.handoff_id for each in rounds if each.handoff_id}

    async def all_told() -> list[tuple[str, str]]:
        told = await _outcomes(stack)
        missing = wanted - {handoff_id for handoff_id, _ in told}
        assert not missing, f"no outcome of {missing}"  # the last ones may be in the outbox still
        return told

    told = await eventually(all_told) if wanted else []
    found: dict[str, str] = {}
    for handoff_id, outcome in told:
        assert handoff_id not in found, f"{handoff_id}: {found[handoff_id]}, then {outcome}"
        found[handoff_id] = outcome
    return {handoff_id: outcome for handoff_id, outcome in found.items() if handoff_id in wanted}


async def _outcomes(stack: Stack) -> list[tuple[str, str]]:
    appeared = first_appearances(await read_topic(stack.servers.kafka_bootstrap, stack.topics["escalation"]))
    return [
        (str(getattr(decode_body(event), "handoff_id", "")), OUTCOMES[event.type])
        for events in appeared.values()
        for event in events
        if event.type in OUTCOMES
    ]


async def check_ownership(stack: Stack, rounds: Sequence[Round]) -> None:
    """Fold routing's topic: whoever hands over owns the ticket until the moment in which the receiver does."""
    told = first_appearances(await read_topic(stack.servers.kafka_bootstrap, stack.topics["routing"]))
    for each in rounds:
        _fold(each.ticket_id, told[f"ticket/{each.ticket_id}"])


def _fold(ticket_id: str, events: Sequence[Event]) -> None:
    owning: UUID | None = None
    for event in events:
        match decode_body(event):
            case AssignmentAssigned(assignment_id=new, replaces=replaced, method=method):
                assert owning in (None, replaced), f"{ticket_id}: {new} beside {owning}"
                assert method != "handoff" or owning == replaced, f"{ticket_id}: {new} replaces {replaced}"
                owning = new
            case AssignmentUnassigned(assignment_id=ended, reason=reason):
                assert reason != "handoff" or owning != ended, f"{ticket_id}: nobody owned it"
                owning = None if owning == ended else owning
            case _:
                pass


def told(each: Round) -> str:
    """What the racers were answered, for a failure's message."""
    return "; ".join(f"{name}: {answer.status_code} {answer.text[:300]}" for name, answer in each.answers.items())
