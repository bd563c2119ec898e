"""Many stories at once, each played to its end."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import FrontlineError
from common.lifecycle import spawn
from devstack.demo.agent import Desk, Staff
from devstack.demo.customer import Customer
from devstack.demo.floor import Agent
from devstack.demo.people import House
from devstack.demo.story import Story
from devstack.demo.tally import Result, Tally


@dataclass(kw_only=True)
class Play:
    """A play. `run` names it in keys and references: a play under a name that was used before repeats nothing."""

    house: House
    agents: Mapping[str, Agent]
    stories: Sequence[Story]
    run: str
    at_once: int
    tally: Tally

    async def perform(self) -> None:
        """Play all stories, at most `at_once` at a time; what became of each stands in the tally."""
        staff = Staff(house=self.house, agents=self.agents, run=self.run, tally=self.tally)
        stage = asyncio.Semaphore(self.at_once)
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            answering = [
                spawn(group, staff.answer_offers(agent), name=f"offers of {agent.name}")
                for agent in self.agents.values()
                if agent.tier > 1 or any(story.returned for story in self.stories)
            ]
            try:
                async with asyncio.TaskGroup() as playing:
                    for story in self.stories:
                        work = self._when_it_is_time(story, staff, stage, began)
                        spawn(playing, work, name=f"story {story.number}")
            finally:
                for each in answering:
                    each.cancel()

    async def _when_it_is_time(self, story: Story, staff: Staff, stage: asyncio.Semaphore, began: float) -> None:
        await asyncio.sleep(max(0.0, began + story.arrives_s - asyncio.get_running_loop().time()))
        async with stage:
            self.tally.playing += 1
            result = Result(number=story.number)
            try:
                await Scene(customer=self._customer(story), staff=staff, story=story, result=result).play()
                result.finished = True
            except FrontlineError as failed:
                result.trouble = f"{type(failed).__name__}: {failed.detail}"
            finally:
                self.tally.playing -= 1
                self.tally.results.append(result)

    def _customer(self, story: Story) -> Customer:
        return Customer(house=self.house, story=story, run=self.run, tally=self.tally)


@dataclass(kw_only=True)
class Scene:
    """One story while it is played."""

    customer: Customer
    staff: Staff
    story: Story
    result: Result

    async def play(self) -> None:
        """From the first word to the last rating."""
        tally, story = self.staff.tally, self.story
        ticket = await self.customer.open()
        self.result.ticket_id = ticket["id"]
        self.staff.tickets.add(ticket["id"])
        desk = Desk(staff=self.staff, story=story, ticket_id=ticket["id"])
        owner, _ = await self.staff.owner_of(ticket["id"])
        self.result.owned = True
        tally.note("owned")
        await self._diagnose(desk, owner)
        if story.cancelled:
            await desk.command(owner, "cancel", {"reason": "withdrawn"})
            tally.note("cancelled")
            return
        if owner.tier < story.tier:
            owner = await desk.hand_over(owner)
        await self._resolve(desk, owner)
        known: list[str] = []
        if story.thanks:
            await self.customer.say(ticket["id"], "Thank you, that was quick!", step="thanks", thanks=True)
        if story.reopens:
            await self.customer.say(ticket["id"], "It is back, sorry.", step="back")
            known = await self._solve_again(desk)
        if await self.customer.rate(ticket["id"], known=known, again=story.reopens):
            known = await self._solve_again(desk)
            await self.customer.rate(ticket["id"], known=known, again=True)

    async def _diagnose(self, desk: Desk, owner: Agent) -> None:
        """Ask until it is clear, say it in one's own words, and try."""
        story, tally = self.story, self.staff.tally
        for number in range(1, story.questions + 1):
            await desk.say(owner, story.words.question, asks=True)
            tally.note("asked")
            await self.customer.say(desk.ticket_id, story.words.reply, step=f"reply-{number}")
        await desk.say(owner, story.words.restatement)
        tally.note("restated")
        for attempt in story.words.attempts[: story.attempts]:
            await desk.say(owner, f"Tried: {attempt}.", internal=True)
        if story.on_hold:
            await desk.command(owner, "hold", {"hold_reason": "third_party"})
            await desk.command(owner, "resume")

    async def _resolve(self, desk: Desk, owner: Agent) -> None:
        story = self.story
        await desk.say(owner, story.words.solution)
        body = {
            "resolution_code": story.case.resolution_code,
            "resolution_summary": story.words.solution,
            "skip_reason": "evaluated with the customer on the way",
        }
        await desk.command(owner, "resolve", body)
        self.staff.tally.note("resolved")

    async def _solve_again(self, desk: Desk) -> list[str]:
        """The ticket is open again: whoever owns it now solves it; returns the links that were sent before that."""
        self.staff.tally.note("reopened")
        owner, _ = await self.staff.owner_of(desk.ticket_id)
        known = await self.customer.list_links(desk.ticket_id)
        await self._resolve(desk, owner)
        return known
