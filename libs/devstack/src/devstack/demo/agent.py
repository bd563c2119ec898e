"""What agents do: own, ask, restate, try, hand over, resolve; and answer the offers of handoffs."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import Refused, Unavailable
from devstack.client import JsonObject
from devstack.demo.floor import TEAM, Agent
from devstack.demo.people import House, Person, until
from devstack.demo.story import Story
from devstack.demo.tally import Result, Tally

_OVER = frozenset({"accepted", "declined", "expired", "withdrawn", "returned", "completed"})
_AFTER_TROUBLE_S = 5.0
"""An offer whose answer is refused may stay open for a while: without a pause it would be answered again at once."""
_AFTER_REFUSAL_S = 0.5
"""So that fourteen agents do not ask a service that is behind as fast as they can."""
_LOST = frozenset({"offer_ended", "not_offered", "not_your_offer", "handoff_state", "handoff_accepted", "work_done"})

_NOT_HEARD_YET = frozenset({"not_found", "not_owner"})
"""What escalation says of a ticket or an owner that it has not heard of yet."""


@dataclass(kw_only=True)
class Staff:
    """All agents of the floor, and what those who are asked to take over have been told to do."""

    house: House
    agents: Mapping[str, Agent]
    run: str
    tally: Tally
    declines_left: Counter[str] = field(default_factory=Counter[str])
    """By ticket."""
    tickets: set[str] = field(default_factory=set[str])
    """Of this play; what is offered of others' is not taken."""

    def person(self, agent: Agent) -> Person:
        """The agent, calling."""
        return Person(house=self.house, actor=f"agent:{agent.agent_id}")

    async def answer_offers(self, agent: Agent) -> None:
        """Take or decline what this agent is offered, for ever: whoever starts it cancels it.

        What goes wrong with one offer is noted, and ends neither the others nor anybody's story.
        """
        person = self.person(agent)
        while True:
            try:
                offers = await person.get("routing", f"/v1/agents/{agent.agent_id}/offers", {"wait_s": 20})
                if not offers["items"]:
                    await self._come_back(agent)
            except Unavailable:
                continue
            for offer in offers["items"]:
                try:
                    await self._answer(person, offer)
                except Unavailable:
                    continue  # it is offered still, or again
                except Refused as refused:
                    trouble = f"an offer to {agent.name}: {refused.detail}"
                    self.tally.results.append(Result(number=0, ticket_id=offer["ticket_id"], trouble=trouble))
                    await asyncio.sleep(_AFTER_TROUBLE_S)

    async def _answer(self, person: Person, offer: JsonObject) -> None:
        is_ours = offer["ticket_id"] in self.tickets
        declines = not is_ours or self.declines_left[offer["ticket_id"]] > 0
        verb, body = ("decline", {"reason_code": "busy"}) if declines else ("accept", {})
        if offer.get("handoff_id"):
            service, path = "escalation", f"/v1/handoffs/{offer['handoff_id']}/{verb}"
        else:
            service, path = "routing", f"/v1/offers/{offer['offer_id']}/{verb}"
            body = {"reason": "busy"} if declines else {}
        try:
            await person.send(service, path, body, key=f"{self.run}-{verb}-{offer['offer_id']}")
        except Refused as refused:
            if refused.code not in _LOST:
                raise
            # Somebody else was faster, or it was taken back: that is how offers end. Or it has not been heard of yet,
            # and is listed until it has.
            await asyncio.sleep(_AFTER_REFUSAL_S)
            return
        if declines and is_ours:
            self.declines_left[offer["ticket_id"]] -= 1
            self.tally.note("handoffs declined")

    async def _come_back(self, agent: Agent) -> None:
        """Who let an offer pass was put away, and is offered nothing until being back."""
        lead = Person(house=self.house)
        path = f"/v1/agents/{agent.agent_id}"
        found = await lead.get("routing", path)
        if found["presence"] == "away":
            key = f"{self.run}-back-{agent.agent_id}-{found['presence_since']}"
            await lead.send("routing", f"{path}/presence", {"presence": "online"}, key=key, method="PUT")

    async def owner_of(self, ticket_id: str, *, not_before: str = "") -> tuple[Agent, JsonObject]:
        """Wait until one of the floor owns the open ticket; returns the owner, and the ticket as it is then.

        Args:
            not_before: an agent who is not meant.
        """
        reader = Person(house=self.house)

        async def look() -> tuple[Agent, JsonObject] | None:
            ticket = await reader.get("intake", f"/v1/tickets/{ticket_id}")
            owner = self.agents.get(ticket["owner_id"] or "")
            if owner is None or owner.agent_id == not_before or ticket["status"] in ("new", "resolved"):
                return None
            return owner, ticket

        return await until(look, what=f"an owner of {ticket_id}", within_s=self.house.patience_s)


@dataclass(kw_only=True)
class Desk:
    """The work on one story's ticket, by whoever owns it."""

    staff: Staff
    story: Story
    ticket_id: str
    steps: int = 0

    def key(self, step: str) -> str:
        """An idempotency key of this story; each is used once."""
        self.steps += 1
        return f"{self.staff.run}-{self.story.number}-{step}-{self.steps}"

    async def say(self, owner: Agent, text: str, *, internal: bool = False, asks: bool = False) -> None:
        """Write on the ticket; `asks` waits for the customer."""
        body = {"direction": "internal" if internal else "outbound", "body": text, "awaits_customer": asks}
        path = f"/v1/tickets/{self.ticket_id}/messages"
        await self.staff.person(owner).send("intake", path, body, key=self.key("say"))
        self.staff.tally.note("messages")

    async def command(self, owner: Agent, verb: str, body: Mapping[str, object] | None = None) -> JsonObject:
        """Give the ticket a command on its present version; anew where it moved, or is not shown as it is yet."""
        person = self.staff.person(owner)

        async def once() -> JsonObject | None:
            ticket = await person.get("intake", f"/v1/tickets/{self.ticket_id}")
            path = f"/v1/tickets/{self.ticket_id}/{verb}"
            try:
                # A refusal is remembered under its key, so that each attempt has its own.
                return await person.send("intake", path, body or {}, key=self.key(verb), version=ticket["version"])
            except Refused as refused:
                if refused.code not in ("stale_version", "handoff_open", "assignee_required"):
                    raise
                return None

        return await until(once, what=f"{verb} on {self.ticket_id}", within_s=self.staff.house.patience_s)

    async def hand_over(self, owner: Agent) -> Agent:
        """Hand the ticket to somebody who can solve it; returns the new owner.

        Raises:
            Unavailable: nobody took it.
        """
        story, staff = self.story, self.staff
        staff.declines_left[self.ticket_id] = story.declines
        for attempt in range(3):
            handoff = await self._request(owner)
            if story.withdrawn_first and attempt == 0:
                await self._withdraw(owner, handoff)
            state = await self._wait_for_end(handoff["id"])
            if state == "accepted":
                staff.tally.note("handoffs accepted")
                receiver, _ = await staff.owner_of(self.ticket_id, not_before=owner.agent_id)
                return await self._give_back(receiver, handoff["id"]) if story.returned else receiver
        raise Unavailable(f"nobody took the handoff of {self.ticket_id}")

    async def _request(self, owner: Agent) -> JsonObject:
        story = self.story
        body = {
            "to": {
                "tier": story.tier,
                "teams": [TEAM],
                "skills": [{"skill": story.case.skill, "level": 1, "hard_level": 1}],
            },
            "reason_code": "needs_expertise",
            "package": {
                "restatement": story.words.restatement,
                "impact_and_scope": f"impact {story.impact}, urgency {story.urgency}, one customer",
                "environment": {"product": story.case.product, "language": story.language},
                "timeline_summary": f"{story.questions} questions, {story.attempts} attempts",
                "steps_tried": [{"step": each, "outcome": "no change"} for each in story.words.attempts],
                "hypotheses": [{"text": story.case.name, "state": "open"}],
                "evidence": ["see the messages"],
                "ask": "Please find the cause and solve it.",
                "customer_mood": "calm",
                "promises_made": ["an answer today"],
                "deadlines_left": "see the clocks",
            },
        }
        path = f"/v1/tickets/{self.ticket_id}/handoffs"
        person = self.staff.person(owner)

        async def once() -> JsonObject | None:
            try:
                return await person.send("escalation", path, body, key=self.key("handoff"))
            except Refused as refused:
                if refused.code not in _NOT_HEARD_YET:
                    raise
                return None

        handoff = await until(once, what=f"a handoff of {self.ticket_id}", within_s=self.staff.house.patience_s)
        self.staff.tally.note("handoffs requested")
        return handoff

    async def _withdraw(self, owner: Agent, handoff: JsonObject) -> None:
        """The owner thinks again; where somebody was faster, the handoff stands."""
        path, version = f"/v1/handoffs/{handoff['id']}/withdraw", handoff["version"]
        try:
            await self.staff.person(owner).send("escalation", path, {}, key=self.key("withdraw"), version=version)
        except Refused:
            return
        self.staff.tally.note("handoffs withdrawn")

    async def _give_back(self, receiver: Agent, handoff_id: str) -> Agent:
        """The receiver returns it with a lesson; returns whoever owns it then, who knows enough now."""
        body = {
            "reason_code": "advice_given",
            "findings": f"It is {self.story.case.name}; nothing beyond the guide is needed.",
            "teaching_note": f"Next time: {self.story.words.attempts[0]} first, then look at the log.",
        }
        path = f"/v1/handoffs/{handoff_id}"
        person = self.staff.person(receiver)
        version = (await person.get("escalation", path))["version"]
        await person.send("escalation", f"{path}/return", body, key=self.key("return"), version=version)
        self.staff.tally.note("handoffs returned")
        back, _ = await self.staff.owner_of(self.ticket_id, not_before=receiver.agent_id)
        return back

    async def _wait_for_end(self, handoff_id: str) -> str:
        reader = Person(house=self.staff.house)

        async def look() -> str | None:
            state: str = (await reader.get("escalation", f"/v1/handoffs/{handoff_id}"))["state"]
            return state if state in _OVER else None

        return await until(look, what=f"the end of handoff {handoff_id}", within_s=self.staff.house.patience_s)
