"""What the load writes down of answers, and that no story ends without being counted."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.demo.agent import Staff
from devstack.demo.people import House
from tests.faults.history import HistoryWriter
from tests.faults.journal import Journal
from tests.faults.load import PATIENCE_S, Load, RecordingClient
from tests.support.peers import Answer, Peer
from tests.support.serving import serving

JSON = {"content-type": "application/json"}


async def play(folder: Path, *answers: Answer, within: float = 10.0) -> Load:
    """One story against a service that answers this."""
    async with serving(Peer(answers=list(answers))) as url:
        with HistoryWriter(folder / "history") as history:
            journal = Journal(history=history)
            client = RecordingClient(journal, "intake", {}, base_url=url)
            house = House(services={"intake": client}, street=client)
            load = Load(journal=journal, house=house, run="r")
            load._staff = Staff(house=house, agents={}, run="r", tally=load.tally)
            load.begin(1, stories=1, rate=1_000.0)
            await load.end(within=within)
            await house.close()
    return load


def refuse(status: int, code: str) -> Answer:
    return status, JSON, json.dumps({"code": code, "detail": f"it is {code}"}).encode()


async def test_a_story_that_breaks_is_told_and_counted(tmp_path: Path) -> None:
    load = await play(tmp_path, (201, JSON, b'{"no": "ticket"}'))
    [trouble] = load.troubles
    assert "broke: KeyError('id')" in trouble
    assert (load.tally.wanted, load.ended, load.in_vain, load.refusals) == (1, 0, 1, [])


async def test_that_something_is_not_there_is_a_trouble(tmp_path: Path) -> None:
    load = await play(tmp_path, refuse(404, "not_found"))
    [trouble] = load.troubles
    assert "it is not_found" in trouble


async def test_refusals_are_no_trouble_unless_they_are_too_many(tmp_path: Path) -> None:
    load = await play(tmp_path, refuse(409, "conflict"))
    [refusal] = load.refusals
    assert "it is conflict" in refusal
    assert load.troubles == ["1 refusals in 1 stories are too many"]


async def test_a_story_that_comes_to_no_end_is_counted(tmp_path: Path) -> None:
    load = await play(tmp_path, within=0.0)
    assert load.troubles == ["1 stories did not come to their ends"]


async def test_a_story_of_which_nobody_knows_is_missed(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path / "history") as history:
        load = Load(journal=Journal(history=history), house=House(services={}, street=httpx.AsyncClient()), run="r")
        load.tally.wanted = 3
        load.ended = 2
        await load.end(within=0.0)
        await load.house.close()
    assert load.troubles == ["3 stories began, and the ends of 2 are known"]


async def test_who_asks_for_an_answer_once_there_is_one_waits_for_that_too(tmp_path: Path) -> None:
    limits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        limits.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={})

    with HistoryWriter(tmp_path / "history") as history:
        transport = httpx.MockTransport(answer)
        client = RecordingClient(Journal(history=history), "routing", {}, base_url="http://r", transport=transport)
        for parameters in ({}, {"wait_s": 20}):
            await client.get("/v1/agents/a/offers", params=parameters)
        await client.aclose()
    assert limits == [PATIENCE_S, 20 + PATIENCE_S]


@pytest.mark.parametrize("page_status", [200, 503])
async def test_the_answer_to_a_form_is_the_redirect_and_not_the_page_behind_it(
    tmp_path: Path, page_status: int
) -> None:
    redirect = (303, {"location": "/s/token", "support-event": "feedback survey/1 4"}, b"")
    async with serving(Peer(answers=[redirect, (page_status, {}, b"")])) as url:
        with HistoryWriter(tmp_path / "history") as history:
            client = RecordingClient(Journal(history=history), "feedback", {}, base_url=url, follow_redirects=True)
            answer = await client.post("/s/token/response", data={"score": "5"})
            await client.aclose()
    assert answer.status_code == page_status
    [line] = [json.loads(each) for each in (tmp_path / "history").read_text().splitlines()]
    told: dict[str, Any] = {name: line[name] for name in ("what", "outcome", "status", "source", "subject", "seq")}
    assert told == {
        "what": "survey", "outcome": "ok", "status": 303, "source": "feedback", "subject": "survey/1", "seq": 4,
    }  # fmt: skip
