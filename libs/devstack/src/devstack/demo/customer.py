"""What a customer does: opens a ticket, answers, thanks, comes back, and rates on the page."""

import re
from dataclasses import dataclass

from common.errors import Refused
from devstack.client import JsonObject
from devstack.demo.browser import Form, open_page, send_form
from devstack.demo.floor import SYSTEM
from devstack.demo.people import House, Person, until
from devstack.demo.story import Story
from devstack.demo.tally import Tally

_LINK = re.compile(r"https?://\S+/s/[A-Za-z0-9_-]+")
_FINAL = frozenset({"closed", "cancelled", "merged"})


@dataclass(frozen=True, kw_only=True)
class Customer:
    """The customer of one story. `run` makes the names of this play differ from every other's."""

    house: House
    story: Story
    run: str
    tally: Tally

    @property
    def person(self) -> Person:
        """The customer's system, which calls for them."""
        return Person(house=self.house)

    def key(self, step: str) -> str:
        """An idempotency key of this story."""
        return f"{self.run}-{self.story.number}-{step}"

    async def open(self) -> JsonObject:
        """Open the ticket."""
        story = self.story
        body: dict[str, object] = {
            "subject": story.words.subject,
            "description": story.words.complaint,
            "requester": {
                "email": f"{self.run}-{story.number}@customers.example",
                "name": f"Customer {story.number}",
                "language": story.language,
            },
            "source": {"channel": "web", "system": SYSTEM, "external_ref": f"{self.run}-{story.number}"},
            "category": story.case.category,
            "product": story.case.product,
            "language": story.language,
            "impact": story.impact,
            "urgency": story.urgency,
            "skills_hint": [{"skill": story.case.skill, "level": 1, "hard_level": 1}],
        }
        ticket = await self.person.send("intake", "/v1/tickets", body, key=self.key("open"))
        self.tally.note("opened")
        return ticket

    async def say(self, ticket_id: str, text: str, *, step: str, thanks: bool = False) -> None:
        """Write on the ticket."""
        body = {"direction": "inbound", "body": text, "ack_only": thanks}
        await self.person.send("intake", f"/v1/tickets/{ticket_id}/messages", body, key=self.key(step))
        self.tally.note("messages")

    async def rate(self, ticket_id: str, *, resolution: int) -> bool:
        """Wait for the link of a resolution's survey and answer it; returns whether the ticket opens again by that.

        Args:
            resolution: which of the ticket's resolutions, from 1.
        """
        story = self.story
        link = await self._wait_for_link(ticket_id, resolution)
        if link is None:
            return False
        self.tally.note("surveys received")
        score = story.score if resolution == 1 else 5
        if score is None:
            return False
        forms = await self._answer(link, score, story.comment)
        self.tally.note("surveys answered")
        if resolution == 1 and story.second_score is not None:
            await self._answer(link, story.second_score, "")
            self.tally.note("surveys amended")
            return False
        if resolution == 1 and story.consents:
            return await self._consent(forms)
        return False

    async def _wait_for_link(self, ticket_id: str, resolution: int) -> str | None:
        """The link; None where the ticket was opened again before it came."""

        async def look() -> tuple[str | None] | None:
            messages = await self.person.list_all("intake", f"/v1/tickets/{ticket_id}/messages")
            links = [found[0] for each in messages if (found := _LINK.findall(each["body"]))]
            if len(links) >= resolution:
                return (links[resolution - 1],)
            ticket = await self.person.get("intake", f"/v1/tickets/{ticket_id}")
            return None if ticket["status"] in {"resolved", *_FINAL} else (None,)

        return (await until(look, what=f"the survey of resolution {resolution} of {ticket_id}"))[0]

    async def _answer(self, link: str, score: int, comment: str) -> tuple[str, list[Form]]:
        page, forms = await open_page(self.house, link)
        form = next((each for each in forms if "score" in each.fields), None)
        if form is None:
            raise Refused(f"the page {page} has no form with a score")
        given = {"score": str(score)} | ({"comment": comment} if comment and "comment" in form.fields else {})
        return await send_form(self.house, page, form, given)

    async def _consent(self, answered: tuple[str, list[Form]]) -> bool:
        page, forms = answered
        for form in forms:
            asked = next((each for each in form.fields.values() if "consent" in each.name), None)
            if asked is not None:
                agreed = next((value for value in asked.values if value in ("yes", "true", "1", "on")), asked.value)
                await send_form(self.house, page, form, {asked.name: agreed or "on"})
                self.tally.note("reopened by survey")
                return True
        return False
