"""Calls are sent soon after their transaction, with their id as the key, until done, refused or given up."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from common.calls import CallOutcome, add_calls, cancel_calls
from common.errors import Unavailable
from common.ids import new_id
from common.settings import PeersSettings
from common.transaction import Transaction
from contracts.routing import WorkDequeued
from tests.integration.calls.conftest import KEY, Calling
from tests.support.backbone import ORIGIN, count, running
from tests.support.eventually import eventually
from tests.support.peers import problem
from tests.support.ports import free_ports


async def heard(calling: Calling, number: int) -> list[CallOutcome]:
    async def all_heard() -> bool:
        return len(calling.heard) >= number

    await eventually(all_heard)
    assert len(calling.heard) == number
    return calling.heard


async def settled(calling: Calling) -> None:
    async def none_left() -> bool:
        return await count(calling.database, "outgoing_call") == 0

    await eventually(none_left)


async def postponed(calling: Calling, attempt: int) -> datetime | None:
    """When the only call is due again after this attempt; None before its outcome is committed."""
    async with calling.database.read() as connection:
        found = await connection.execute(
            text("select due_at from outgoing_call where lease_until is null and attempts = :attempt"),
            {"attempt": attempt},
        )
        due_at: datetime | None = found.scalar_one_or_none()
    return due_at


async def test_a_call_is_sent_with_its_id_as_key_and_heard_of(calling: Calling) -> None:
    call = calling.call(actor="agent:00000000-0000-7000-8000-000000000001", if_match=7)
    async with running(calling.run):
        await calling.add(call)
        [outcome] = await heard(calling, 1)
    [seen] = calling.intake.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/v1/things", {"text": "hello"})
    assert seen.key == str(call.call_id)
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["support-actor"] == call.actor
    assert seen.headers["if-match"] == '"7"'
    assert seen.headers["x-correlation-id"] == ORIGIN.correlation_id
    assert (outcome.ok, outcome.is_final, outcome.status, outcome.attempt) == (True, True, 200, 1)
    assert outcome.answer == {"fine": True}
    assert await count(calling.database, "outgoing_call") == 0
    assert calling.routing.seen == []


async def test_a_rolled_back_call_is_never_sent_and_a_known_one_not_added_again(calling: Calling) -> None:
    async def add_and_fail() -> None:
        async with calling.database.begin(ORIGIN) as tx:
            await add_calls(tx, [calling.call()])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await add_and_fail()
    kept = calling.call()
    await calling.add(kept, kept)
    await calling.add(kept)
    async with running(calling.run):
        await heard(calling, 1)
        await settled(calling)
    assert len(calling.intake.seen) == 1


async def test_what_passes_is_tried_again_at_growing_distances_with_the_same_key(calling: Calling) -> None:
    calling.intake.answers = [
        problem(500, "error"),
        problem(503, "unavailable", **{"retry-after": "1"}),
        problem(409, "idempotency_key_in_use", **{"retry-after": "1"}),
        problem(429, "slow_down", **{"retry-after": "200"}),
        problem(401, "unauthenticated"),
        (302, {"location": "http://127.0.0.1:1/"}, b""),
    ]
    await calling.add(calling.call())
    delays: list[float] = []
    async with running(calling.run):
        for attempt in range(1, 7):
            outcome = (await heard(calling, attempt))[-1]
            assert (outcome.ok, outcome.is_final, outcome.attempt) == (False, False, attempt)
            due_at = await eventually(lambda attempt=attempt: postponed(calling, attempt))
            delays.append((due_at - calling.clock.now()).total_seconds())
            calling.clock.move(due_at - calling.clock.now())
        last = (await heard(calling, 7))[-1]
    assert delays == [1, 5, 30, 200, 600, 3600]
    assert [outcome.fault for outcome in calling.heard] == [
        "error", "unavailable", "idempotency_key_in_use", "slow_down", "unauthenticated", "status 302", ""
    ]  # fmt: skip
    assert last.ok
    assert len({seen.key for seen in calling.intake.seen}) == 1


@pytest.mark.parametrize(("status", "code"), [(400, "invalid_input"), (404, "not_found"), (409, "ticket_final"),
                                              (412, "stale_version"), (422, "idempotency_key_reused")])  # fmt: skip
async def test_a_refusal_is_final(calling: Calling, status: int, code: str) -> None:
    calling.intake.answers = [problem(status, code)]
    await calling.add(calling.call())
    async with running(calling.run):
        [outcome] = await heard(calling, 1)
        await settled(calling)
    assert (outcome.ok, outcome.is_final, outcome.status, outcome.fault) == (False, True, status, code)
    assert len(calling.intake.seen) == 1


async def test_a_peer_that_is_away_slow_or_cuts_the_line_costs_the_other_nothing(calling: Calling) -> None:
    async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the caller hangs up
        writer.close()

    [closed] = free_ports(1)
    async with (
        await asyncio.start_server(cut, "127.0.0.1", 0) as cutting,
        await asyncio.start_server(never, "127.0.0.1", 0) as silent,
    ):
        await _fail_at(calling, closed, "ConnectError")
        await _fail_at(calling, cutting.sockets[0].getsockname()[1], "ReadError")
        # Sooner than the first attempt ends: whoever had to wait for the silent one would be heard of later.
        await _fail_at(calling, silent.sockets[0].getsockname()[1], "timeout", within=4.5)


async def _fail_at(calling: Calling, port: int, fault: str, *, within: float = 10) -> None:
    """Calls to an intake at this port all fail, by `fault` or a cut line; one to routing is heard of in between."""
    calling.heard.clear()
    away = {"intake_url": f"http://127.0.0.1:{port}", "timeout": timedelta(seconds=5)}
    async with running(lambda stop: calling.run(stop, **away)):
        await calling.add(*(calling.call() for _ in range(10)))
        await calling.add(calling.call(service="routing"))

        async def routing_heard() -> bool:
            return any(outcome.call.service == "routing" for outcome in calling.heard)

        await eventually(routing_heard, within=within)
        await eventually(lambda: _failed(calling, 10), within=30)  # eight at a time
    faults = {outcome.fault for outcome in calling.heard if not outcome.ok}
    assert all(found.startswith(fault) or fault == "ReadError" for found in faults), faults
    assert all(outcome.status is None and not outcome.is_final for outcome in calling.heard if not outcome.ok)
    async with calling.database.begin(ORIGIN) as tx:
        await tx.connection.execute(text("delete from outgoing_call"))


async def _failed(calling: Calling, number: int) -> bool:
    return sum(not outcome.ok for outcome in calling.heard) == number


async def test_at_most_eight_calls_are_at_one_peer_at_a_time(calling: Calling) -> None:
    calling.intake.hold = asyncio.Event()
    await calling.add(*(calling.call() for _ in range(30)))

    async def eight() -> bool:
        return calling.intake.now_inside == 8

    async with running(calling.run):
        await eventually(eight)
        calling.intake.hold.set()
        await heard(calling, 30)
    assert calling.intake.most_inside == 8


async def test_giving_up_is_told_and_nothing_is_sent_after_it(calling: Calling) -> None:
    calling.intake.answers = [problem(500, "error")] * 9
    await calling.add(calling.call(give_up_at=calling.clock.now() + timedelta(seconds=3)))
    async with running(calling.run):
        await heard(calling, 1)
        calling.clock.move(timedelta(seconds=1))
        outcome = (await heard(calling, 2))[-1]
        assert (outcome.is_final, outcome.fault) == (True, "error")
        await settled(calling)
        sent = len(calling.intake.seen)
        await calling.add(calling.call(give_up_at=calling.clock.now() - timedelta(seconds=1)))
        outcome = (await heard(calling, 3))[-1]
        assert (outcome.is_final, outcome.status, outcome.fault) == (True, None, "given_up")
    assert len(calling.intake.seen) == sent


async def test_cancelling_spares_what_is_under_way(calling: Calling) -> None:
    calling.intake.hold = asyncio.Event()
    about, other = new_id(), new_id()
    await calling.add(calling.call(aggregate_id=about))

    async def inside() -> bool:
        return calling.intake.now_inside == 1

    async with running(calling.run):
        await eventually(inside)
        async with calling.database.begin(ORIGIN) as tx:
            late = calling.call(aggregate_id=about)
            await add_calls(tx, [late, calling.call(aggregate_id=other)])
            await cancel_calls(tx, "test", [about])
            await cancel_calls(tx, "test", [])
        calling.intake.hold.set()
        await heard(calling, 2)
        await settled(calling)
    assert str(late.call_id) not in {seen.key for seen in calling.intake.seen}


async def test_an_answer_is_read_only_so_far_and_need_not_be_json(calling: Calling) -> None:
    calling.intake.answers = [(200, {}, b'"' + b"x" * 400_000 + b'"'), (200, {}, b"<html>"), (204, {}, b"")]
    async with running(calling.run):
        for number in (1, 2, 3):
            await calling.add(calling.call())
            outcome = (await heard(calling, number))[-1]
            assert (outcome.ok, outcome.answer) == (True, None)


async def test_what_is_heard_and_the_end_of_the_call_are_one_transaction(calling: Calling) -> None:
    """A chain: the first answer adds the next call and an event; a hearing that fails changes nothing and repeats."""
    second = calling.call(method="PATCH")
    ticket_id = new_id()

    async def go_on(tx: Transaction, outcome: CallOutcome) -> None:
        if outcome.call.method == "GET":
            await add_calls(tx, [second])
            tx.add_events(f"ticket/{ticket_id}", [WorkDequeued(ticket_id=ticket_id, reason="closed")])
            if len(calling.intake.seen) == 1:
                raise ValueError("cannot hear this yet")

    calling.also = go_on
    first = await calling.add(calling.call(method="GET", body={}))

    async with running(calling.run):
        await eventually(lambda: postponed(calling, 1))
        assert await count(calling.database, "event") == 0
        calling.clock.move(timedelta(seconds=1))
        await heard(calling, 2)
        await settled(calling)
    assert [seen.key for seen in calling.intake.seen] == [str(first), str(first), str(second.call_id)]
    assert calling.intake.seen[0].body == b""
    assert await count(calling.database, "event") == 1


async def test_a_hearing_that_meets_a_lock_is_tried_again_at_once(calling: Calling) -> None:
    calling.trouble = [Unavailable("a lock"), Unavailable("a lock")]
    async with running(calling.run):
        await calling.add(calling.call())
        await heard(calling, 1)
        await settled(calling)
    assert len(calling.intake.seen) == 1


async def test_calls_of_kinds_that_nobody_hears_are_left_alone(calling: Calling) -> None:
    await calling.add(calling.call(kind="other"), calling.call())
    async with running(calling.run):
        await heard(calling, 1)
    assert await count(calling.database, "outgoing_call where kind = 'other' and attempts = 0") == 1


async def test_the_settings_name_both_peers() -> None:
    with pytest.raises(ValueError, match="intake_url"):
        PeersSettings(intake_url="ftp://intake", routing_url="http://routing", key=SecretStr("k"))
