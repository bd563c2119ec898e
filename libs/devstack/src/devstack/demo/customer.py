"""What a customer does: opens a ticket, answers, thanks, comes back, and rates on the page."""

import re
from collections.abc import Sequence
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
    """The customer of one story.

    Attributes:
        run: makes the names of this play differ from every other's.
        has_system: whether a system calls that names itself and its tickets; what has none comes to the common desk.
    """

    house: House
    story: Story
    run: str
    tally: Tally
    has_system: bool = True

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
        system = {"system": SYSTEM, "external_ref": f"{self.run}-{story.number}"} if self.has_system else {}
        body: dict[str, object] = {
            "subject": story.words.subject,
            "description": story.words.complaint,
            "requester": {
                "email": f"{self.run}-{story.number}@customers.example",
                "name": f"Customer {story.number}",
                "language": story.language,
            },
            "source": {"channel": "web"} | system,
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

    async def list_links(self, ticket_id: str) -> list[str]:
        """The survey links that the customer was sent so far."""
        messages = await self.person.list_all("intake", f"/v1/tickets/{ticket_id}/messages")
        return [found[0] for each in messages if (found := _LINK.findall(each["body"]))]

    async def rate(self, ticket_id: str, *, known: Sequence[str], again: bool = False) -> bool:
        """Wait for a link and answer on its page; returns whether the ticket opens again by that.

        Args:
            known: links of earlier resolutions.
            again: it was solved a second time: now the customer is content.
        """
        story = self.story
        link = await self._wait_for_page(ticket_id, known)
        if link is None:
            return False
        self.tally.note("surveys received")
        score = 5 if again and story.score else story.score
        if score is None:
            return False
        answered = await self._answer(link, score, story.comment)
        self.tally.note("surveys answered")
        if not again and story.second_score is not None:
            await self._answer(link, story.second_score, "")
            self.tally.note("surveys amended")
            return False
        return not again and story.consents and await self._consent(answered)

    async def _wait_for_page(self, ticket_id: str, known: Sequence[str]) -> str | None:
        """A link that is new and open; None where the ticket was opened again before it came."""

        async def look() -> tuple[str | None] | None:
            for link in reversed((await self.list_links(ticket_id))[len(known) :]):
                try:
                    await open_page(self.house, link)
                except Refused:
                    continue  # of a resolution that was taken back meanwhile: the next one has a link of its own
                return (link,)
            ticket = await self.person.get("intake", f"/v1/tickets/{ticket_id}")
            return None if ticket["status"] in {"resolved", *_FINAL} else (None,)

        return (await until(look, what=f"the survey of {ticket_id}", within_s=self.house.patience_s))[0]

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
