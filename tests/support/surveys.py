"""What the topics must say of surveys, whoever was killed meanwhile: asked once, by one link, and shared rightly."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import httpx
import msgspec

from contracts.envelope import Event

Subjects = Mapping[str, Sequence[Event]]
_LINK = "/s/"
_LIMIT = 200
_STEP = Fraction(1, 1_000_000)
"""Shares are whole millionths."""


async def check_surveys(intake: httpx.AsyncClient, told: Mapping[str, Subjects]) -> None:
    """Everybody was asked at most once about a resolution and by one link, and every answer is somebody's.

    Args:
        intake: its API, with a key of scope tickets:read.
        told: the topics without repeats, by service and subject.
    """
    exact = total = 0
    for subject, events in told["feedback"].items():
        surveys = [event for event in events if event.type.startswith("support.survey.")]
        _check_asked_once(subject, surveys)
        await _check_links(intake, subject, surveys)
        for event in surveys:
            if _name(event) in ("responded", "amended"):
                total += 1
                routing = told["routing"].get(subject, ())
                exact += check_shares(_data(event), told["intake"][subject], routing)
    # Feedback shares an answer by what it knows of the owners at that moment, which may lag behind routing's topic. It
    # hardly ever does where answers come seconds after the resolution.
    assert exact * 10 >= total * 9, f"only {exact} of {total} answers are shared by all that routing told"


def _check_asked_once(subject: str, surveys: Sequence[Event]) -> None:
    ids: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for event in surveys:
        data = _data(event)
        ids[data["resolution_seq"], data["requester_id"], data["kind"]].add(data["survey_id"])
        names[data["survey_id"]][_name(event)] += 1
    for key, of_key in ids.items():
        assert len(of_key) == 1, f"{subject}: several surveys about {key}: {of_key}"
    for survey, counts in names.items():
        assert counts["sent"] <= 1, f"{subject}: survey {survey} was sent {counts['sent']} times"
        assert counts["responded"] <= 1, f"{subject}: survey {survey} was first answered {counts['responded']} times"
        if counts["responded"]:
            assert counts["sent"], f"{subject}: survey {survey} was answered and never sent"


async def _check_links(intake: httpx.AsyncClient, subject: str, surveys: Sequence[Event]) -> None:
    """Each survey's link is one message of the ticket; only of one that was taken back nobody may have told it."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for event in surveys:
        data = _data(event)
        by_name[_name(event)].add(data["survey_id"])
        by_name["messages"] |= {data["message_id"]} if "message_id" in data else set[str]()
    carrying = {each["id"] for each in await _messages(intake, subject) if _LINK in each["body"]}
    assert by_name["messages"] <= carrying, f"{subject}: told of a link that is no message of the ticket"
    untold = len(carrying - by_name["messages"])
    taken_back = len(by_name["cancelled"] - by_name["sent"])
    assert untold <= taken_back, f"{subject}: {untold} messages carry a link that no survey told of"


async def _messages(intake: httpx.AsyncClient, subject: str) -> list[dict[str, Any]]:
    answer = await intake.get(f"/v1/tickets/{subject.partition('/')[2]}/messages", params={"limit": _LIMIT})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    assert len(found) < _LIMIT, f"{subject} has more messages than one page"
    return found


def check_shares(answer: Mapping[str, Any], intake: Sequence[Event], routing: Sequence[Event]) -> bool:
    """Hold an answer's attribution against the owners' times, as routing told of them up to some moment.

    Args:
        answer: the body of `survey.responded` or `survey.amended`.
        intake, routing: its ticket's streams.
    Returns:
        Whether it is that of the whole stream.
    """
    until = next(
        event.time
        for event in intake
        if event.type == "support.ticket.resolved.v1" and _data(event)["resolution_seq"] == answer["resolution_seq"]
    )
    given = {each["agent_id"]: Fraction(round(each["share"] * 1_000_000), 1_000_000) for each in answer["attribution"]}
    assert sum(given.values()) in (0, 1), f"the shares of {answer['survey_id']} sum to {sum(given.values())}"
    known = [_is_near(given, _shares(routing[:length], until)) for length in range(len(routing) + 1)]
    assert any(known), f"{answer['survey_id']} is shared {given}, routing says {_shares(routing, until)}"
    return known[-1]


def _shares(routing: Sequence[Event], until: datetime) -> dict[str, Fraction]:
    """Section 3 of docs/figures.md, "Attribution", exactly."""
    owners: dict[str, tuple[str, datetime, datetime]] = {}
    for event in routing:
        data = _data(event)
        if event.type == "support.assignment.assigned.v1" and event.time <= until:
            owners.setdefault(data["assignment_id"], (data["agent_id"], event.time, until))
        if event.type == "support.assignment.unassigned.v1" and data["assignment_id"] in owners:
            agent, begin, end = owners[data["assignment_id"]]
            owners[data["assignment_id"]] = (agent, begin, min(end, event.time))
    owned: dict[str, Fraction] = defaultdict(Fraction)
    for agent, begin, end in owners.values():
        owned[agent] += Fraction(max(timedelta(), end - begin) // timedelta(microseconds=1))
    whole = sum(owned.values())
    if whole:
        return {agent: time / whole for agent, time in owned.items()}
    last = [agent for agent, _, _ in owners.values()][-1:]
    return dict.fromkeys(last, Fraction(1))


def _is_near(given: Mapping[str, Fraction], exact: Mapping[str, Fraction]) -> bool:
    """Equal but for what rounding down loses, and whoever has the longest time gets."""
    room = _STEP * max(1, len(exact))
    agents = given.keys() | exact.keys()
    return bool(given) == bool(exact) and all(
        abs(given.get(agent, Fraction()) - exact.get(agent, Fraction())) <= room for agent in agents
    )


def _name(event: Event) -> str:
    return event.type.removeprefix("support.survey.").removesuffix(".v1")


def _data(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(event.data)
