"""The load: the demo's support floor, its stories drawn from a seed, every call that changes something written down.

Customers open tickets, write, answer surveys; agents ask, hand over, accept or decline, resolve. Whoever gets no
answer asks again with the same key, as the contract wants it.
"""

import asyncio
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from common.errors import FrontlineError, NotFound, Refused
from devstack.demo.agent import Staff
from devstack.demo.customer import Customer
from devstack.demo.floor import open_floor
from devstack.demo.people import House
from devstack.demo.play import Scene
from devstack.demo.story import Story, write_story
from devstack.demo.tally import Result, Tally
from tests.faults.journal import Journal
from tests.support.eventually import pass_time

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
PATIENCE_S = 8.0
"""How long a client waits for an answer; after that it cannot know what became of its call."""
_PERSONS_PATIENCE_S = 300.0
"""Longer than a service waits before it tries a call again that failed four times, such as for a survey's link."""
_REFUSED_SHARE = 0.05
"""Of the stories: so many may end with a refusal; on a sound installation hardly one does."""
_WITHOUT_SYSTEM_EVERY = 5
_ID = re.compile(r"/v1/(tickets|handoffs)/([0-9a-f-]{36})")
_WORDS = {"tickets": "open", "messages": "message", "handoffs": "handoff", "hold": "update", "resume": "update"}
"""What the history calls a command, by the last word of its path; others are called by that word."""


class RecordingClient(httpx.AsyncClient):
    """Writes down each command: when it was asked, when answered, and whether anybody can know what became of it."""

    def __init__(self, journal: Journal, service: str, known: dict[str, str], **given: Any) -> None:
        """Args: known: the tickets of handoffs, shared by all clients."""
        super().__init__(trust_env=False, timeout=PATIENCE_S, **given)
        self._journal = journal
        self._service = service
        self._tickets = known

    async def send(self, request: httpx.Request, **given: Any) -> httpx.Response:
        """See `httpx.AsyncClient.send`."""
        if request.method in _READS:
            # Who asks to be answered only once there is something to say waits for that too.
            waits_s = float(request.url.params.get("wait_s", 0))
            request.extensions["timeout"] = {**request.extensions["timeout"], "read": waits_s + PATIENCE_S}
            return await super().send(request, **given)
        invoked_at, fault = time.time(), self._journal.fault
        answer: httpx.Response | None = None
        try:
            answer = await super().send(request, **given)
        finally:
            self._note(request, answer, invoked_at, fault)
        return answer

    def _note(self, request: httpx.Request, answer: httpx.Response | None, invoked_at: float, fault: str) -> None:
        # A form is answered with the way back to the page: what follows there is another answer.
        answer = answer.history[0] if answer is not None and answer.history else answer
        status = answer.status_code if answer is not None else None
        word = "survey" if request.url.path.startswith("/s/") else request.url.path.rstrip("/").rpartition("/")[2]
        named = answer.headers.get("support-event", "").split() if answer is not None else []
        subject = self._subject(request, answer)
        self._journal.write(
            "operation",
            fault=fault,
            process=self._service,
            id=self._journal.number(),
            what=_WORDS.get(word, word),
            subject=named[1] if len(named) == 3 else subject,
            key=request.headers.get("idempotency-key", ""),
            invoked_at=invoked_at,
            completed_at=time.time() if answer is not None else None,
            outcome="unknown" if status is None or status >= 500 else "ok" if status < 400 else "fail",
            status=status,
            seq=int(named[2]) if len(named) == 3 else None,
            source=named[0] if len(named) == 3 else "",
        )

    def _subject(self, request: httpx.Request, answer: httpx.Response | None) -> str:
        path = request.url.path
        body = _body(answer)
        if path == "/v1/tickets":
            return f"ticket/{body['id']}" if "id" in body else ""
        found = _ID.match(path)
        if not found:
            return ""
        ticket = found[2] if found[1] == "tickets" else self._tickets.get(found[2], "")
        if path.endswith("/handoffs") and "id" in body:
            self._tickets[body["id"]] = ticket
        return f"ticket/{ticket}" if ticket else ""


def _body(answer: httpx.Response | None) -> dict[str, Any]:
    if answer is None or not answer.is_success or "json" not in answer.headers.get("content-type", ""):
        return {}
    return answer.json()


@dataclass(kw_only=True)
class Load:
    """The floor of one run: its people, and the stories that they play, which go on from window to window.

    Attributes:
        ended: how many stories came to the ends that were written for them.
        in_vain: how many stories stand among the troubles.
        refusals: stories that ended with a clear refusal, and offers whose answer was refused, in words.
        troubles: stories in which somebody waited in vain, was told that what they had is not there, or that broke.
    """

    journal: Journal
    house: House
    run: str
    tally: Tally = field(default_factory=lambda: Tally(wanted=0))
    ended: int = 0
    in_vain: int = 0
    refusals: list[str] = field(default_factory=list[str])
    troubles: list[str] = field(default_factory=list[str])
    _staff: Staff | None = None
    _answering: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    _playing: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def open(self) -> None:
        """Hire everybody, and let them answer offers."""
        agents = await open_floor(self.house, among_others=False)
        self._staff = Staff(house=self.house, agents=agents, run=self.run, tally=self.tally)
        self._answering = [asyncio.create_task(self._staff.answer_offers(agent)) for agent in agents.values()]

    def begin(self, seed: int, *, stories: int, rate: float) -> None:
        """Let so many customers come, so many a second."""
        for number in range(1, stories + 1):
            story = write_story(seed, number, rate=rate)
            self.tally.wanted += 1
            # Numbers stand in keys: each is used once in a run.
            playing = asyncio.create_task(self._play(replace(story, number=self.tally.wanted)))
            self._playing.add(playing)
            playing.add_done_callback(self._playing.discard)

    async def _play(self, story: Story) -> None:
        assert self._staff is not None
        await pass_time(story.arrives_s)
        # The reference of a system makes one ticket of two requests even where keys do not: some customers have none.
        # Nobody surveys them soon enough to wait for, so that their stories end before that.
        has_system = bool(story.number % _WITHOUT_SYSTEM_EVERY)
        if not has_system:
            story = replace(story, cancelled=True)
        customer = Customer(house=self.house, story=story, run=self.run, tally=self.tally, has_system=has_system)
        result = Result(number=story.number)
        try:
            await Scene(customer=customer, staff=self._staff, story=story, result=result).play()
            self.ended += 1
        except Refused as refused:
            # A clear answer, if not the one of the script: under faults people come later than they meant to. Only
            # what was acknowledged is never unknown again.
            if refused.code == NotFound.code:
                self._note_trouble(result, refused.detail)
            else:
                self.refusals.append(f"story {result.number}, ticket {result.ticket_id}: {refused.detail}")
        except FrontlineError as failed:
            self._note_trouble(result, failed.detail)
        except Exception as broken:
            self._note_trouble(result, f"broke: {broken!r}")

    def _note_trouble(self, result: Result, says: str) -> None:
        self.in_vain += 1
        self.troubles.append(f"story {result.number}, ticket {result.ticket_id}: {says}")

    async def end(self, *, within: float) -> None:
        """Wait for the ends of all stories, then let everybody go."""
        late: set[asyncio.Task[None]] = set()
        if self._playing:
            _, late = await asyncio.wait(self._playing, timeout=within)
        accounted = self.ended + len(self.refusals) + self.in_vain + len(late)
        if accounted != self.tally.wanted:
            self.troubles.append(f"{self.tally.wanted} stories began, and the ends of {accounted} are known")
        self.troubles += [f"{len(late)} stories did not come to their ends"] if late else []
        for task in (*self._playing, *self._answering):
            task.cancel()
        ended = await asyncio.gather(*self._playing, *self._answering, return_exceptions=True)
        self.troubles += [
            f"an agent's answers to offers broke: {each!r}" for each in ended if isinstance(each, Exception)
        ]
        self.refusals += [result.trouble for result in self.tally.results]
        if len(self.refusals) > _REFUSED_SHARE * self.tally.wanted:
            self.troubles.append(f"{len(self.refusals)} refusals in {self.tally.wanted} stories are too many")


def draw(seed: int, name: str) -> int:
    """A seed for one part of a run."""
    return random.Random(f"{seed}/{name}").randrange(2**32)


def recorded_house(journal: Journal, urls: Mapping[str, str], key: str) -> House:
    """The installation, through clients that write everything down."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    known: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {key}"}
    return House(
        services={
            name: RecordingClient(journal, name, known, base_url=url, headers=headers, limits=limits)
            for name, url in urls.items()
        },
        street=RecordingClient(journal, "feedback", known, limits=limits, follow_redirects=True),
        patience_s=_PERSONS_PATIENCE_S,
    )
