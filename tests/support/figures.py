"""What feedback's API says of the figures, held against the recount from the topics."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

import httpx

from tests.support.recount import (
    MILLION,
    RATES,
    SLICES,
    TIMES,
    Counted,
    Stream,
    figure_of,
    moment_of,
    recount,
)

_MAX_PAGES = 10_000

Identity = tuple[str, str, str]


async def assert_figures_equal(
    client: httpx.AsyncClient, streams: Mapping[str, Mapping[str, Stream]], *, since: datetime, until: datetime
) -> dict[str, dict[str, float | None]]:
    """Hold every figure, every slice of it and the evidence of each against the recount of a period.

    Args:
        client: of feedback's API, with a key of scope feedback:read.
        streams: see `read_streams`; feedback must have consumed as much.
        since, until: the period; until excluded.
    Returns:
        The recounted totals by figure.
    Raises:
        AssertionError: names the figure, the slice and the first difference.
    """
    counted = [each for each in recount(streams) if since <= each.at < until]
    period = {"from": since.isoformat(), "to": until.isoformat()}
    totals: dict[str, dict[str, float | None]] = {}
    for figure in (*TIMES, *RATES):
        mine = [each for each in counted if each.figure == figure]
        totals[figure] = figure_of(figure, mine)
        await _check_evidence(client, figure, period, mine)
        for by in (*SLICES, "clock") if figure == "sla_attainment" else SLICES:
            await _check_slices(client, figure, by, period, mine)
        for one, other in combinations(SLICES, 2):
            await _check_pair(client, figure, (one, other), period, mine)
    await _check_overview(client, "/v1/kpis", period, counted)
    for agent in sorted({each.agent for each in counted if each.agent}):
        theirs = [each for each in counted if each.agent == agent]
        await _check_overview(client, f"/v1/agents/{agent}/kpis", period, theirs)
    return totals


async def _check_slices(
    client: httpx.AsyncClient,
    figure: str,
    by: str,
    period: Mapping[str, str],
    mine: Sequence[Counted],
    *,
    with_evidence: bool = True,
) -> None:
    answer = await _get(client, f"/v1/kpis/{figure}", {**period, "by": by})
    _assert_numbers(figure, answer["total"], figure_of(figure, mine))
    expected: dict[str | None, list[Counted]] = defaultdict(list)
    for each in mine:
        expected[_value(each, by)].append(each)
    shown = {each["value"]: each for each in answer["values"]}
    assert shown.keys() == expected.keys(), f"{figure} by {by}: {set(shown) ^ set(expected)}"
    for value, theirs in expected.items():
        _assert_numbers(f"{figure} by {by} {value}", shown[value], figure_of(figure, theirs))
        if with_evidence:
            await _check_evidence(client, figure, {**period, by: _asked(value)}, theirs)


async def _check_pair(
    client: httpx.AsyncClient, figure: str, pair: tuple[str, str], period: Mapping[str, str], mine: Sequence[Counted]
) -> None:
    """Two slices together, at the values that most things have: each alone holds more than both."""
    if not mine:
        return
    one, other = pair
    [((first, second), _)] = Counter((_value(each, one), _value(each, other)) for each in mine).most_common(1)
    narrowed = [each for each in mine if _value(each, one) == first]
    await _check_slices(client, figure, other, {**period, one: _asked(first)}, narrowed, with_evidence=False)
    both = [each for each in narrowed if _value(each, other) == second]
    query = {**period, one: _asked(first), other: _asked(second)}
    _assert_numbers(
        f"{figure} {query}", (await _get(client, f"/v1/kpis/{figure}", query))["total"], figure_of(figure, both)
    )
    await _check_evidence(client, figure, query, both)


def _value(counted: Counted, by: str) -> str | None:
    value: object = getattr(counted, by)
    return None if value is None else str(value)


def _asked(value: str | None) -> str:
    return "none" if value is None else value


async def _check_overview(
    client: httpx.AsyncClient, path: str, period: Mapping[str, str], counted: Sequence[Counted]
) -> None:
    answer = await _get(client, path, period)
    assert [each["definition"] for each in answer["items"]] == [*TIMES, *RATES]
    for each in answer["items"]:
        figure = each["definition"]
        mine = [one for one in counted if one.figure == figure]
        _assert_numbers(f"{path} {figure}", each["total"], figure_of(figure, mine))


async def _check_evidence(
    client: httpx.AsyncClient, figure: str, query: Mapping[str, str], mine: Sequence[Counted]
) -> None:
    shown: list[Counted] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await _get(
            client,
            f"/v1/kpis/{figure}/evidence",
            {**query, "limit": "200", **({"cursor": cursor} if cursor else {})},
        )
        shown += [_shown(figure, item) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    expected, found = {each.identity: each for each in mine}, {each.identity: each for each in shown}
    assert len(found) == len(shown), f"evidence of {figure} {query}: something stands there twice"
    assert found == expected, f"evidence of {figure} {query}: {_first_difference(found, expected)}"
    orders = [each.order for each in shown]
    assert orders == sorted(orders), f"evidence of {figure} {query}: not in the order of moment, ticket and key"


def _first_difference(found: Mapping[Identity, Counted], expected: Mapping[Identity, Counted]) -> str:
    for key in [*expected, *found]:
        if found.get(key) != expected.get(key):
            return f"the API shows {found.get(key)}, the topics say {expected.get(key)}"
    return "none"


def _shown(figure: str, item: Mapping[str, Any]) -> Counted:
    seconds = item["seconds"]
    return Counted(
        figure=figure,
        ticket=item["ticket_id"],
        key=item["key"],
        at=moment_of(item["at"]),
        numerator=item["in_numerator"],
        denominator=item["in_denominator"],
        parts=round(item["share"] * MILLION),
        microseconds=None if seconds is None else round(seconds * MILLION),
        queue=item["queue"],
        tier=item["tier"],
        category=item["category"],
        priority=item["priority"],
        agent=item["agent"],
        clock=item["clock"],
    )


async def _get(client: httpx.AsyncClient, path: str, query: Mapping[str, str]) -> Any:
    answer = await client.get(path, params=dict(query))
    assert answer.status_code == 200, f"{path} {query}: {answer.text}"
    return answer.json()


def _assert_numbers(what: str, shown: Mapping[str, Any], expected: Mapping[str, float | None]) -> None:
    found = {name: shown[name] for name in expected}
    assert found == expected, f"{what}: the API says {found}, the topics say {expected}"
