"""Whoever comes first with a handoff: never two owners, never none, and exactly one end of the handoff is told."""

import asyncio
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from common.transaction import Transaction
from contracts.escalation import HandoffRecalled
from contracts.intake import TicketStatusChanged
from contracts.registry import Body
from contracts.routing import AssignmentAssigned, WorkDequeued
from routing.queues.domain import CATCH_ALL_ID
from routing.queues.usecases import change_queue, get_queue
from routing.work import usecases
from routing.work.decider import Decider
from tests.integration.routing.conftest import Routing
from tests.integration.routing.overlapping import Step, attempt, overlap

ROUNDS = 6


class Scene:
    """A ticket whose owner hands it over to an agent of tier 2, to whom it is offered."""

    def __init__(self, routing: Routing, decider: Decider) -> None:
        self.routing = routing
        self.decider = decider

    async def play(self) -> None:
        """Begin anew, with another ticket and other agents."""
        routing = self.routing
        self.sender = await routing.agent(max_weight=1)
        self.ticket = await routing.open()
        await self.decider.decide_once()
        assert await routing.owner(self.ticket) == self.sender
        self.receiver = await routing.agent(tier=2, max_weight=1)
        self.handoff = await routing.hand_over(self.ticket)
        await self.decider.decide_once()
        self.offer, to = await routing.offer(self.handoff)
        assert to == self.receiver

    async def accept(self, tx: Transaction) -> None:
        await usecases.accept_offer(tx, self.offer)

    async def decline(self, tx: Transaction) -> None:
        await usecases.decline_offer(tx, self.offer, reason="busy")

    async def recall(self, tx: Transaction) -> None:
        body = HandoffRecalled(
            ticket_id=self.ticket, handoff_id=self.handoff, from_agent_id=self.sender, reason="sender"
        )
        await self.hear(tx, body)

    async def resolve(self, tx: Transaction) -> None:
        await self.hear(tx, TicketStatusChanged(ticket_id=self.ticket, old="open", new="resolved"))

    async def sender_goes(self, tx: Transaction) -> None:
        """What the timer does when the sender was deactivated."""
        await usecases.take_back_work(tx, self.sender, 0)

    async def leave(self, agent: UUID) -> None:
        """The agent is deactivated, and the timer fires: two transactions, for their locks are of different orders."""
        await self.attempt(partial(_let_go, agent=agent))
        await self.attempt(partial(_take_back, agent=agent))

    async def desk(self, mode: str) -> None:
        """Let the catch-all desk assign at once, or offer."""
        async with self.routing.begin() as tx:
            version = (await get_queue(tx.connection, CATCH_ALL_ID)).version
            await change_queue(tx, CATCH_ALL_ID, if_match=version, changes={"mode": mode})

    async def hear(self, tx: Transaction, body: Body) -> None:
        [handler] = self.routing.service.handlers
        await handler.apply(tx, [self.routing.event(self.ticket, body)])

    async def ends(self) -> list[str]:
        """How the handoff ended, as told: each end once."""
        found: list[str] = []
        for body in await self.routing.bodies(self.ticket):
            if isinstance(body, AssignmentAssigned) and body.handoff_id == self.handoff:
                found.append("accepted")
            elif isinstance(body, WorkDequeued) and body.handoff_id == self.handoff:
                found.append(body.reason)
        return found

    async def attempt(self, step: Step) -> bool:
        """Do it in a transaction of its own; False where it was refused."""
        return await attempt(self.routing, step)

    async def overlap(self, first: Step, second: Step) -> bool:
        """The second meets the first's locks. Returns whether the second was let."""
        return await overlap(self.routing, first, second)


@pytest.fixture
async def scene(routing: Routing) -> Scene:
    """The scene, set."""
    scene = Scene(routing, await routing.decider())
    await scene.play()
    return scene


async def test_accept_then_recall(scene: Scene) -> None:
    assert await scene.overlap(scene.accept, scene.recall)
    assert await scene.routing.owner(scene.ticket) == scene.receiver
    assert await scene.ends() == ["accepted"]
    assert await scene.routing.violations() == {}


async def test_recall_then_accept(scene: Scene) -> None:
    assert not await scene.overlap(scene.recall, scene.accept)
    assert await scene.routing.owner(scene.ticket) == scene.sender
    assert await scene.ends() == ["withdrawn"]
    assert await scene.routing.violations() == {}


async def test_accept_then_resolve(scene: Scene) -> None:
    assert await scene.overlap(scene.accept, scene.resolve)
    assert await scene.routing.owner(scene.ticket) is None
    assert (await scene.routing.work(scene.ticket)).item.state == "done"
    assert await scene.ends() == ["accepted"]
    assert (await scene.routing.told(scene.ticket)).count("assignment.unassigned") == 2
    assert await scene.routing.violations() == {}


async def test_resolve_then_accept(scene: Scene) -> None:
    assert not await scene.overlap(scene.resolve, scene.accept)
    assert await scene.ends() == ["resolved"]
    assert await scene.routing.load(scene.receiver) == 0
    assert await scene.routing.violations() == {}


async def test_accept_twice(scene: Scene) -> None:
    assert not await scene.overlap(scene.accept, scene.accept)
    assert await scene.ends() == ["accepted"]
    assert await scene.routing.violations() == {}


async def test_accept_then_the_sender_leaves(scene: Scene) -> None:
    await scene.attempt(partial(_let_go, agent=scene.sender))
    assert await scene.overlap(scene.accept, scene.sender_goes)
    assert await scene.routing.owner(scene.ticket) == scene.receiver
    assert await scene.routing.violations() == {}


async def test_the_sender_leaves_then_accept(scene: Scene) -> None:
    await scene.attempt(partial(_let_go, agent=scene.sender))
    assert await scene.overlap(scene.sender_goes, scene.accept)
    assert await scene.routing.owner(scene.ticket) == scene.receiver
    assert await scene.ends() == ["accepted"]
    assert await scene.routing.load(scene.sender) == 0
    assert await scene.routing.violations() == {}


async def test_a_receiver_who_left_cannot_accept_before_the_timer_either(scene: Scene) -> None:
    await scene.attempt(partial(_let_go, agent=scene.receiver))
    assert not await scene.attempt(scene.accept)
    await scene.leave(scene.receiver)
    assert await scene.routing.owner(scene.ticket) == scene.sender
    assert await scene.routing.load(scene.receiver) == 0
    assert await scene.routing.violations() == {}


async def test_who_was_asked_before_and_who_is_asked_now(scene: Scene) -> None:
    """The offer to the first ends unanswered, another one is asked, and both accept at once."""
    routing = scene.routing
    second = await routing.agent(tier=3, max_weight=1)
    routing.clock.move(timedelta(seconds=120))
    late = scene.offer
    await routing.fire_due()
    await scene.decider.decide_once()
    current, to = await routing.offer(scene.handoff)
    assert to == second

    async def accept(tx: Transaction, *, offer: UUID) -> None:
        await usecases.accept_offer(tx, offer)

    let = await asyncio.gather(*(scene.attempt(partial(accept, offer=each)) for each in (late, current)))
    assert let == [False, True]
    assert await routing.owner(scene.ticket) == second
    assert await routing.violations() == {}


async def test_an_ownerless_ticket_and_its_handoff_are_accepted_at_once(scene: Scene) -> None:
    """The sender left; the ticket is offered to one agent and its handoff to another. The handoff's receiver has it."""
    routing = scene.routing
    for turn in range(ROUNDS):
        if turn:
            await scene.play()
        await scene.desk("offer")
        await scene.leave(scene.sender)
        heir = await routing.agent(max_weight=1)
        await scene.decider.decide_once()
        own, to = await routing.offer(scene.ticket)
        assert to == heir

        async def take(tx: Transaction, *, offer: UUID = own) -> None:
            await usecases.accept_offer(tx, offer)

        _, handed = await asyncio.gather(scene.attempt(take), scene.attempt(scene.accept))
        assert handed
        assert await routing.owner(scene.ticket) == scene.receiver
        assert await routing.load(heir) == 0
        assert await scene.ends() == ["accepted"]
        assert await routing.violations() == {}
        await scene.attempt(scene.resolve)
        await scene.leave(scene.receiver)
        await scene.leave(heir)
        await scene.desk("auto")


async def test_everything_at_once(scene: Scene) -> None:
    """Accept, decline, recall, resolve, a leaving sender and the decider: one end, one owner at most, exact loads."""
    routing = scene.routing
    for turn in range(ROUNDS):
        if turn:
            await scene.play()
        steps: list[Step] = [scene.accept, scene.decline, scene.recall]
        if turn % 2:
            steps.append(scene.resolve)
        tried = (scene.attempt(step) for step in steps)
        await asyncio.gather(*tried, scene.leave(scene.sender), scene.decider.decide_once())
        assert await routing.violations() == {}
        assert len(await scene.ends()) == 1
        work = await routing.work(scene.ticket)
        assert work.item.state in ("queued", "offered", "assigned", "done")
        assert (work.item.state == "assigned") == (work.assignment is not None)
        if "accepted" in await scene.ends() and not turn % 2:
            assert await routing.owner(scene.ticket) == scene.receiver
        await scene.attempt(scene.resolve)
        await scene.leave(scene.receiver)
        while await scene.decider.decide_once():
            pass


async def test_takes_by_hand_offers_and_the_decider_never_overfill_the_receiver(scene: Scene) -> None:
    """Room for one: either a ticket assigned by hand, or by the rule, or the reservation of a handoff."""
    routing = scene.routing
    for _ in range(ROUNDS):
        receiver = await routing.agent(tier=2, max_weight=1)
        other = await routing.open()
        await scene.attempt(scene.decline)
        version = (await routing.work(other)).item.version

        async def take(tx: Transaction, other: UUID = other, to: UUID = receiver, seen: int = version) -> None:
            await usecases.assign_by_hand(tx, other, to, if_match=seen, override_reason="")

        await asyncio.gather(scene.attempt(take), scene.decider.decide_once())
        await scene.decider.decide_once()
        assert await routing.load(receiver) == 4
        assert await routing.violations() == {}
        await routing.move(other, "open", "cancelled")
        await scene.leave(receiver)
        await scene.attempt(scene.resolve)
        await scene.leave(scene.sender)
        await scene.leave(scene.receiver)
        await scene.play()


async def _let_go(tx: Transaction, *, agent: UUID) -> None:
    await usecases.let_go(tx, agent)


async def _take_back(tx: Transaction, *, agent: UUID) -> None:
    await usecases.take_back_work(tx, agent, 0)
