"""Whatever happens in whatever order: loads are the sums of what is held, and every ticket has one owner at most."""

import random
from datetime import timedelta
from uuid import UUID

import pytest

from common.errors import Refused
from contracts.escalation import EscalationLevelChanged, HandoffRecalled
from contracts.intake import TicketPriorityChanged
from contracts.routing import AssignmentAssigned, WorkDequeued
from routing.queues.domain import CATCH_ALL_ID
from routing.queues.usecases import change_queue, get_queue
from routing.work import pulling, usecases
from routing.work.decider import Decider
from tests.integration.routing.conftest import Routing, handoff_request, needs

STEPS = 150
SKILL_SETS = ({}, {"net": 3}, {"billing": 2}, {"net": 1, "billing": 1})


class Walk:
    """A random walk through everything that can happen."""

    def __init__(self, routing: Routing, decider: Decider, agents: list[UUID], seed: int) -> None:
        self.routing = routing
        self.decider = decider
        self.agents = agents
        self.chance = random.Random(seed)  # noqa: S311 - a test's dice
        self.tickets: dict[UUID, str] = {}
        self.handoffs: dict[UUID, UUID] = {}
        self.happenings = (
            *(self.open, self.open, self.move, self.move, self.decide, self.decide),
            *(self.prioritise, self.by_hand, self.hand_back, self.presence, self.answer),
            *(self.reply, self.pull, self.mode, self.wait, self.hand_over, self.hand_over, self.recall, self.escalate),
        )

    async def step(self) -> None:
        """One random thing, a refusal being as good as an effect."""
        happening = self.chance.choice(self.happenings)
        try:
            await happening()
        except Refused:
            return  # the state did not allow it, which is the point of guards

    async def open(self) -> None:
        ticket = await self.routing.open(
            priority=self.chance.choice(["low", "normal", "high", "urgent"]),
            skills_hint=needs(**self.chance.choice(SKILL_SETS)),
            tier_required=self.chance.choice([1, 1, 2]),
        )
        self.tickets[ticket] = "new"

    async def move(self) -> None:
        if not self.tickets:
            return
        ticket = self.chance.choice(sorted(self.tickets))
        new = self.chance.choice(["open", "pending_customer", "on_hold", "resolved", "cancelled", "open"])
        await self.routing.move(ticket, self.tickets[ticket], new)
        self.tickets[ticket] = new

    async def prioritise(self) -> None:
        if self.tickets:
            ticket = self.chance.choice(sorted(self.tickets))
            new = self.chance.choice(["low", "normal", "high", "urgent"])
            await self.routing.tell(
                ticket, TicketPriorityChanged(ticket_id=ticket, old="low", new=new, reason="matrix")
            )

    async def by_hand(self) -> None:
        if self.tickets:
            ticket = self.chance.choice(sorted(self.tickets))
            version = (await self.routing.work(ticket)).item.version
            why = self.chance.choice(["", "because"])
            async with self.routing.begin() as tx:
                await usecases.assign_by_hand(
                    tx, ticket, self.chance.choice(self.agents), if_match=version, override_reason=why
                )

    async def hand_back(self) -> None:
        if self.tickets:
            ticket = self.chance.choice(sorted(self.tickets))
            version = (await self.routing.work(ticket)).item.version
            async with self.routing.begin() as tx:
                if self.chance.random() < 0.5:
                    await usecases.unassign(tx, ticket, if_match=version)
                else:
                    await usecases.requeue(tx, ticket, if_match=version, queue_id=None)

    async def presence(self) -> None:
        async with self.routing.begin() as tx:
            word = self.chance.choice(["online", "online", "away", "offline"])
            await usecases.set_presence(tx, self.chance.choice(self.agents), word, set_by="agent")

    async def hand_over(self) -> None:
        if not self.tickets:
            return
        ticket = self.chance.choice(sorted(self.tickets))
        named = self.chance.choice([None, *self.agents])
        request = handoff_request(
            ticket,
            sender=await self.routing.owner(ticket),
            at=self.routing.clock.now(),
            tier_required=self.chance.choice([1, 2, 3]),
            to_agent_id=named,
            only_agent=self.chance.random() < 0.3,
            excluded=tuple(self.chance.sample(self.agents, self.chance.choice([0, 0, 1]))),
        )
        self.handoffs[request.handoff_id] = ticket
        await self.routing.tell(ticket, request)

    async def recall(self) -> None:
        if self.handoffs:
            handoff = self.chance.choice(sorted(self.handoffs))
            ticket = self.handoffs[handoff]
            recalled = HandoffRecalled(ticket_id=ticket, handoff_id=handoff, from_agent_id=None, reason="sender")
            await self.routing.tell(ticket, recalled)

    async def escalate(self) -> None:
        if self.tickets:
            ticket = self.chance.choice(sorted(self.tickets))
            tier = self.chance.choice([1, 2])
            raised = EscalationLevelChanged(ticket_id=ticket, old=0, new=1, tier_required=tier, reason="manual")
            await self.routing.tell(ticket, raised)

    async def answer(self) -> None:
        rows = await self.routing.sql("select offer_id from offer where state = 'open' order by offer_id")
        if rows:
            row = self.chance.choice(rows)
            async with self.routing.begin() as tx:
                if self.chance.random() < 0.6:
                    await usecases.accept_offer(tx, row.offer_id)
                else:
                    await usecases.decline_offer(tx, row.offer_id, reason="no")

    async def reply(self) -> None:
        if self.tickets:
            await self.routing.reply(self.chance.choice(sorted(self.tickets)), self.chance.choice(self.agents))

    async def pull(self) -> None:
        async with self.routing.begin() as tx:
            await pulling.pull_next(tx, CATCH_ALL_ID, self.chance.choice(self.agents))

    async def mode(self) -> None:
        async with self.routing.begin() as tx:
            queue = await get_queue(tx.connection, CATCH_ALL_ID)
            mode = self.chance.choice(["auto", "offer"])
            await change_queue(tx, CATCH_ALL_ID, if_match=queue.version, changes={"mode": mode})

    async def wait(self) -> None:
        self.routing.clock.move(timedelta(seconds=self.chance.choice([1, 60, 130, 900])))
        await self.routing.fire_due()

    async def decide(self) -> None:
        await self.decider.decide_once()


@pytest.mark.parametrize("seed", range(4))
async def test_invariants_hold_after_every_step(routing: Routing, seed: int) -> None:
    agents = [
        await routing.agent(tier=1 + n % 3, skills={"net": 1 + n, "billing": 5 - n}, max_weight=4 + n) for n in range(4)
    ]
    walk = Walk(routing, await routing.decider(batch=5), agents, seed)
    for _ in range(STEPS):
        await walk.step()
        assert await routing.violations() == {}, f"seed {seed}"
    while await walk.decider.decide_once():
        pass
    assert await routing.violations() == {}
    [row] = await routing.sql("select count(*) as n from routing_input")
    assert row.n == 0
    await check_handoffs(routing, walk)
    unexplained = await routing.sql(
        "select 1 from assignment a where (method = 'auto' or handoff_id is not null) "
        "and not exists (select from decision d where d.decision_id = a.decision_id)"
    )
    assert unexplained == []


async def check_handoffs(routing: Routing, walk: Walk) -> None:
    """Every handoff goes on, or has one end, which was told once."""
    for handoff, ticket in walk.handoffs.items():
        ends = 0
        for body in await routing.bodies(ticket):
            ends += isinstance(body, AssignmentAssigned | WorkDequeued) and body.handoff_id == handoff
        rows = await routing.sql("select state from handoff_item where handoff_id = :id", id=handoff)
        assert ends == (0 if rows and rows[0].state != "done" else 1)
