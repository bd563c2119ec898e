"""What must hold of the people's business at the end, whatever was done to the servers: beside what the checker judges.

It is judged by the services' own archives of what they said, which the checker holds to be equal to the topics; the
topics themselves hold records by now that were never said.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from contracts.envelope import Event, decode_event, kafka_headers
from devstack.demo.people import Person
from tests.faults.world import World
from tests.support.figures import assert_figures_equal
from tests.support.floor import check_handoffs, check_owners
from tests.support.fold import as_shown, fold
from tests.support.recount import Told, add_record
from tests.support.surveys import check_surveys

_SINCE, _UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_MOST_WORDS = 600
Said = dict[str, dict[str, list[Event]]]


async def find_contradictions(world: World) -> list[str]:
    """What of tickets, owners, handoffs, surveys, loads and figures contradicts itself, in words."""
    said = await _read_archives(world)

    async def tickets() -> None:
        told = fold(said["intake"], said["routing"], said["escalation"])
        _compare({name: state.shown() for name, state in told.items()}, await _list_shown(world))

    async def owners() -> None:
        check_owners(said["routing"])

    async def handoffs() -> None:
        check_handoffs(said["escalation"], said["routing"])

    async def surveys() -> None:
        async with world.stack.client("intake") as intake:
            await check_surveys(intake, said)

    async def loads() -> None:
        await _check_loads(world)

    async def figures() -> None:
        async with world.stack.client("feedback") as client:
            await assert_figures_equal(client, _as_streams(said), since=_SINCE, until=_UNTIL)

    checks: list[Callable[[], Awaitable[None]]] = [tickets, owners, handoffs, surveys, loads, figures]
    found: list[str] = []
    for check in checks:
        try:
            await check()
        except AssertionError as wrong:
            found.append(f"{check.__name__} contradict what was said: {str(wrong)[:_MOST_WORDS]}")
    return found


async def _read_archives(world: World) -> Said:
    """By service and subject all that it ever said, in order."""
    said: Said = {}
    for service in world.stack.database_urls:
        said[service] = defaultdict(list)
        async with world.connected(service) as connection:
            rows = await connection.fetch("select seq, headers, payload from event order by subject, seq")
        for row in rows:
            event = decode_event(kafka_headers(row["headers"], row["seq"]), row["payload"])
            said[service][event.subject].append(event)
    return said


def _as_streams(said: Said) -> dict[str, dict[str, list[Told]]]:
    """The same as the recount takes it: raw, and of tickets alone."""
    streams: dict[str, dict[str, list[Told]]] = {}
    for service, subjects in said.items():
        streams[service] = defaultdict(list)
        for event in (event for events in subjects.values() for event in events):
            kind, _, ticket = event.subject.partition("/")
            if kind == "ticket":
                headers = {
                    "ce_source": event.source,
                    "ce_subject": event.subject,
                    "ce_subjectseq": str(event.seq),
                    "ce_type": event.type,
                    "ce_time": event.time.isoformat(),
                }
                add_record(streams[service][ticket], headers, event.data)
    return streams


async def _list_shown(world: World) -> dict[str, Any]:
    """What intake shows of every ticket, clocks and handoff with it."""
    reader = Person(house=world.house)
    return {one["id"]: as_shown(one) for one in await reader.list_all("intake", "/v1/tickets", {"limit": 200})}


def _compare(told: dict[str, Any], shown: dict[str, Any]) -> None:
    assert told.keys() == shown.keys(), f"told of or shown alone: {sorted(told.keys() ^ shown.keys())}"
    wrong = next((name for name in told if told[name] != shown[name]), "")
    assert not wrong, f"{wrong} is shown as {shown[wrong]}, was told as {told[wrong]}"


async def _check_loads(world: World) -> None:
    """Each agent carries what its running assignments weigh, and no ticket is assigned twice."""
    async with world.connected("routing") as connection:
        rows = await connection.fetch(
            "select ticket_id::text, agent_id::text, quarters from assignment where ended_at is null"
        )
        agents = await connection.fetch("select agent_id::text, load_quarters from agent")
    twice = [ticket for ticket, count in Counter(row["ticket_id"] for row in rows).items() if count > 1]
    assert not twice, f"assigned twice: {twice}"
    carried: Counter[str] = Counter()
    for row in rows:
        carried[row["agent_id"]] += row["quarters"]
    loads = {row["agent_id"]: row["load_quarters"] for row in agents if row["load_quarters"]}
    assert loads == dict(carried), f"agents carry {loads}, their assignments weigh {dict(carried)}"
