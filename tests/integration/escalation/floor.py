"""A ticket with its owner and seniors who may take it over, as tests of handoffs drive them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from common.ids import new_id
from contracts.routing import (
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentUnassigned,
    WorkDequeued,
)
from tests.support.eventually import eventually
from tests.support.handoffs import PACKAGE

if TYPE_CHECKING:
    from tests.integration.escalation.conftest import Escalation


class Floor:
    """A ticket with its owner, and seniors who may take it over."""

    def __init__(self, escalation: Escalation, ticket_id: UUID, owner: UUID, seniors: list[UUID]) -> None:
        self.escalation = escalation
        self.ticket_id = ticket_id
        self.owner = owner
        self.seniors = seniors

    async def post(self, path: str, body: object = None, *, by: UUID | None = None, **headers: str) -> httpx.Response:
        acting = {"support-actor": f"agent:{by}"} if by else {}
        return await self.escalation.http.post(path, json=body, headers={**acting, **headers})

    async def request(self, *, by: UUID | None = None, **given: Any) -> httpx.Response:
        body = {"reason_code": "needs_seniority", "package": PACKAGE, **given}
        return await self.post(f"/v1/tickets/{self.ticket_id}/handoffs", body, by=by or self.owner)

    async def requested(self, **given: Any) -> dict[str, Any]:
        answer = await self.request(**given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def command(self, handoff_id: str, name: str, body: object = None, *, by: UUID) -> httpx.Response:
        version = (await self.escalation.http.get(f"/v1/handoffs/{handoff_id}")).headers["etag"]
        return await self.post(f"/v1/handoffs/{handoff_id}/{name}", body, by=by, **{"if-match": version})

    async def withdraw(self, handoff_id: str, verdict: str = "withdrawn") -> httpx.Response:
        """Withdraw, while routing says what became of it; with no verdict, while time passes."""

        withdrawing = asyncio.ensure_future(self.command(handoff_id, "withdraw", by=self.owner))

        async def recalled() -> bool:
            return (await self.look(handoff_id))["ending"] == "sender"

        async def answered() -> bool:
            # Again and again: its wait of two seconds may begin only after the first move.
            self.escalation.clock.move(timedelta(seconds=3))
            return withdrawing.done()

        async def say() -> None:
            await eventually(recalled)
            if verdict == "accepted":
                await self.accept(handoff_id, self.seniors[0])
            elif verdict:
                await self.dequeue(handoff_id, verdict)
            else:
                await eventually(answered, pause_s=0.2)

        answer, _ = await asyncio.gather(withdrawing, say())
        return answer

    async def look(self, handoff_id: str) -> dict[str, Any]:
        answer = await self.escalation.http.get(f"/v1/handoffs/{handoff_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hear(self, *bodies: Any) -> None:
        await self.escalation.tell(self.ticket_id, *bodies)

    async def offer(self, handoff_id: str, agent: UUID) -> UUID:
        offer_id = new_id()
        at = self.escalation.clock.now() + timedelta(seconds=120)
        await self.hear(
            AssignmentOffered(
                ticket_id=self.ticket_id,
                offer_id=offer_id,
                agent_id=agent,
                expires_at=at,
                attempt=1,
                kind="handoff",
                handoff_id=UUID(handoff_id),
            )
        )
        return offer_id

    async def decline(self, handoff_id: str, agent: UUID, reason: str = "busy") -> None:
        offer_id = await self.offer(handoff_id, agent)
        await self.hear(
            AssignmentDeclined(
                ticket_id=self.ticket_id,
                offer_id=offer_id,
                agent_id=agent,
                reason=reason,
                kind="handoff",
                handoff_id=UUID(handoff_id),
            )
        )

    async def accept(self, handoff_id: str, agent: UUID, *, tier: int = 3) -> UUID:
        """What routing tells when the receiver has accepted the offer."""
        old = (
            await self.escalation.sql(
                "select assignment_id, owner_id from ticket where ticket_id = :id", id=self.ticket_id
            )
        )[0]
        new = new_id()
        taken = AssignmentAssigned(
            ticket_id=self.ticket_id,
            assignment_id=new,
            agent_id=agent,
            agent_tier=tier,
            method="handoff",
            weight=2,
            replaces=old.assignment_id,
            kind="handoff",
            handoff_id=UUID(handoff_id),
        )
        if old.assignment_id is None:
            await self.hear(taken)
        else:
            left = AssignmentUnassigned(
                ticket_id=self.ticket_id, assignment_id=old.assignment_id, agent_id=old.owner_id, reason="handoff"
            )
            await self.hear(taken, left)
        return new

    async def dequeue(self, handoff_id: str, reason: str) -> None:
        await self.hear(
            WorkDequeued(ticket_id=self.ticket_id, reason=reason, kind="handoff", handoff_id=UUID(handoff_id))
        )

    async def told(self) -> list[str]:
        return await self.escalation.told(self.ticket_id, "handoff.")

    async def last(self, kind: str) -> Any:
        return (await self.escalation.bodies(self.ticket_id, f"handoff.{kind}"))[-1]
