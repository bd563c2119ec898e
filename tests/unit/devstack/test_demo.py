"""The demo's floor where things do not go smoothly: interrupted before, visited twice, one call refused."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from common.errors import FrontlineError, Refused
from common.web import problems
from devstack.cli.demo import figure_in_words
from devstack.demo import agent
from devstack.demo.agent import Staff
from devstack.demo.floor import Agent, close_floor, open_floor
from devstack.demo.people import House, Person
from devstack.demo.story import write_story
from devstack.demo.tally import Tally

ADA = Agent(agent_id="ada", name="Ada", tier=2)
Answer = Callable[[httpx.Request], httpx.Response]


class Installation:
    """Answers as an installation would, and remembers what it was asked to do."""

    def __init__(self, **answers: Any) -> None:
        """Args: answers: by the last part of a GET's path; else an empty page."""
        self.answers = answers
        self.commands: list[httpx.Request] = []
        self.refuse: Answer | None = None

    def house(self, *, patience_s: float = 10.0) -> House:
        """Where its services are."""
        names = ("intake", "routing", "escalation", "feedback")
        transport = httpx.MockTransport(self._answer)
        services = {name: httpx.AsyncClient(transport=transport, base_url=f"http://{name}") for name in names}
        street = httpx.AsyncClient(transport=transport)
        return House(services=services, street=street, patience_s=patience_s)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        await asyncio.to_thread(lambda: None)  # a call lets others go on, as one over a network does
        if request.method == "GET":
            answer = self.answers.get(request.url.path.rpartition("/")[2], {"items": []})
            return httpx.Response(200, json=answer)
        self.commands.append(request)
        if self.refuse is not None:
            return self.refuse(request)
        name = request.url.path.rpartition("/")[2]
        return httpx.Response(201, json={"agent_id": str(len(self.commands)), "policy_id": name})

    def of(self, path: str) -> list[httpx.Request]:
        """The commands whose path ends so."""
        return [each for each in self.commands if each.url.path.endswith(path)]


def desk(**given: Any) -> dict[str, Any]:
    """A desk as routing lists it."""
    return {"name": "Everything else", "queue_id": "q", "primary_teams": [], "overflow_teams": [], **given}


def policy(active_version: int | None) -> dict[str, Any]:
    """The demo's survey policy as feedback lists it."""
    return {"name": "Demo", "policy_id": "p", "active_version": active_version, "versions": [{"version": 1}]}


async def open_refused(*desks: dict[str, Any], waiting: int, paused: int = 0) -> str:
    """The code with which the floor does not open; empty where it does."""
    stats = {"waiting": waiting, "paused": paused}
    policies = {"items": [policy(1)]}
    installation = Installation(queues={"items": list(desks)}, stats=stats, **{"survey-policies": policies})
    try:
        await open_floor(installation.house(), among_others=False)
    except Refused as refused:
        assert installation.commands == []
        return refused.code
    return ""


async def test_the_floor_does_not_open_where_others_wait() -> None:
    """At a desk that names no teams, or the demo's; not at one of its own, nor at one that other teams serve."""
    assert await open_refused(desk(), waiting=1) == "others_wait"
    assert await open_refused(desk(), waiting=0, paused=2) == "others_wait"
    assert await open_refused(desk(primary_teams=["a"], overflow_teams=["demo"]), waiting=1) == "others_wait"
    assert await open_refused(desk(), waiting=0) == ""
    assert await open_refused(desk(name="Demo"), waiting=9) == ""
    assert await open_refused(desk(primary_teams=["a"]), waiting=9) == ""


async def test_an_interrupted_opening_is_finished() -> None:
    """A policy that was made and not switched on is switched on; one that is on is left alone."""
    for active, expected in ((None, 1), (1, 0)):
        installation = Installation(**{"survey-policies": {"items": [policy(active)]}})
        await open_floor(installation.house(), among_others=False)
        assert len(installation.of("/activate")) == expected
        assert installation.of("/survey-policies") == []


async def test_everybody_goes_home_after_each_play() -> None:
    """A key that an earlier play used would only be answered from memory."""
    installation = Installation()
    for run in ("one", "two"):
        await close_floor(installation.house(), {ADA.agent_id: ADA}, run=run)
    keys = [each.headers["idempotency-key"] for each in installation.of("/presence")]
    assert len(set(keys)) == 2


async def test_others_tickets_are_given_back() -> None:
    """What came from a desk that is not the demo's, and is still with its agent."""
    installation = Installation(
        work={"items": [{"ticket_id": "theirs"}, {"ticket_id": "ours"}]},
        ours={"source": {"system": "demo"}},
        theirs={"source": {"system": "shop"}, "version": 3, "assignment": {"agent_id": ADA.agent_id}},
    )
    await close_floor(installation.house(), {ADA.agent_id: ADA}, run="one")
    assert [each.url.path for each in installation.of("/unassign")] == ["/v1/work-items/theirs/unassign"]
    assert installation.of("/unassign")[0].headers["if-match"] == '"3"'


@pytest.mark.parametrize("error", problems._RETRY_AFTER_S)
async def test_a_command_is_repeated_with_its_key_where_the_service_asks_for_that(error: type[FrontlineError]) -> None:
    installation = Installation()
    answer = problems.problem_response(error("not yet"), instance="/v1/tickets", trace_id="", request_id="")

    def refuse_once(_: httpx.Request) -> httpx.Response:
        installation.refuse = None
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=bytes(answer.body))

    installation.refuse = refuse_once
    await Person(house=installation.house()).send("intake", "/v1/tickets", {}, key="one")
    assert [each.headers["idempotency-key"] for each in installation.commands] == ["one", "one"]


async def test_an_offer_that_goes_wrong_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted, and the next offer is answered; what is offered of others' tickets is declined."""
    monkeypatch.setattr(agent, "_AFTER_TROUBLE_S", 0.0)
    monkeypatch.setattr(agent, "_AFTER_REFUSAL_S", 0.0)
    names = ("broken", "away", "good", "foreign")
    offers = [{"offer_id": name, "ticket_id": name, "handoff_id": name} for name in names]
    installation = Installation(offers={"items": offers})
    seen = asyncio.Event()

    def refuse(request: httpx.Request) -> httpx.Response:
        if "foreign" in request.url.path:
            seen.set()
        if "away" in request.url.path:
            return httpx.Response(503)
        if "broken" in request.url.path:
            return httpx.Response(409, json={"code": "unheard_of", "detail": "no"})
        return httpx.Response(200, json={})

    installation.refuse = refuse
    house = installation.house(patience_s=0.0)
    staff = Staff(house=house, agents={ADA.agent_id: ADA}, run="one", tally=Tally(wanted=1))
    staff.tickets |= {"broken", "away", "good"}
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answering = group.create_task(staff.answer_offers(ADA))
        await seen.wait()
        answering.cancel()
    assert {each.ticket_id for each in staff.tally.troubles} == {"broken"}
    assert installation.of("/handoffs/good/accept")
    assert installation.of("/handoffs/foreign/decline")
    assert installation.of("/handoffs/foreign/accept") == []


async def test_who_was_put_away_comes_back() -> None:
    """Each time under another key: an earlier one would only be answered from memory."""
    installation = Installation(ada={"presence": "away", "presence_since": "noon"})
    back = asyncio.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        is_second = installation.answers["ada"]["presence_since"] == "one"
        installation.answers["ada"] = (
            {"presence": "online"} if is_second else {"presence": "away", "presence_since": "one"}
        )
        if is_second:
            back.set()
        return httpx.Response(200, json={})

    installation.refuse = answer
    staff = Staff(house=installation.house(), agents={ADA.agent_id: ADA}, run="one", tally=Tally(wanted=1))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        answering = group.create_task(staff.answer_offers(ADA))
        await back.wait()
        answering.cancel()
    came = installation.of("/agents/ada/presence")
    assert [json.loads(each.content) for each in came] == [{"presence": "online"}] * 2
    assert len({each.headers["idempotency-key"] for each in came}) == 2


def test_a_second_score_is_another_one() -> None:
    """The same again would be no change at all."""
    stories = [write_story(1, number, rate=1) for number in range(1, 2_000)]
    changed = [(each.score, each.second_score) for each in stories if each.second_score is not None]
    assert {score for score, _ in changed} == {1, 2, 3, 4, 5}
    assert all(score != second and 1 <= second <= 5 for score, second in changed)


@pytest.mark.parametrize(
    ("total", "words"),
    [
        ({"count": 300, "p50_s": 0.318, "p90_s": 0.404, "denominator": None}, "p50 0.32 s, p90 0.40 s of 300"),
        ({"count": 0, "p50_s": None, "p90_s": None, "denominator": None}, "-"),
        ({"count": None, "rate": 0.6956, "denominator": 230.0}, "69.6% of 230"),
        ({"count": None, "rate": None, "denominator": 0.0}, "-"),
    ],
)
def test_figures_are_said_as_people_read_them(total: dict[str, Any], words: str) -> None:
    assert figure_in_words(total) == words
