"""Crashes and rivals: a call is at one caller at a time, and what a crash cut off goes out again with the same key."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from common.calls import caller
from common.calls.caller import Caller
from common.calls.sending import Peers
from common.clock import MovableClock
from common.runtime import Runtime
from common.settings import DatabaseSettings, KafkaSettings, ServiceSettings
from tests.integration.calls.conftest import START, Calling
from tests.support.backbone import ORIGIN, count, no_beat, open_database, running
from tests.support.eventually import eventually


async def end_leases(calling: Calling) -> None:
    async with calling.database.begin(ORIGIN) as tx:
        await tx.connection.execute(
            text(
                "update outgoing_call set lease_until = clock_timestamp() - interval '1 s'"
                " where lease_until is not null"
            )
        )


async def sent(calling: Calling, number: int) -> bool:
    return len(calling.intake.seen) == number


async def test_several_callers_send_each_call_once(calling: Calling) -> None:
    calls = [calling.call() for _ in range(120)]
    await calling.add(*calls)
    async with running(calling.run), running(calling.run), running(calling.run):

        async def done() -> bool:
            return await count(calling.database, "outgoing_call") == 0

        await eventually(done)
    assert sorted(seen.key for seen in calling.intake.seen) == sorted(str(call.call_id) for call in calls)
    assert len(calling.heard) == len(calls)


async def test_a_caller_that_dies_between_sending_and_settling_is_followed_by_the_same_key(calling: Calling) -> None:
    calling.intake.hold = asyncio.Event()
    call_id = await calling.add(calling.call())
    async with Peers(calling.peers) as peers:
        doomed = asyncio.ensure_future(
            Caller(calling.database, calling.kinds, peers).run(beat=no_beat, stop=asyncio.Event())
        )
        await eventually(lambda: sent(calling, 1))
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
    assert calling.heard == []
    calling.intake.hold.set()
    async with running(calling.run) as rival:
        await asyncio.wait({rival}, timeout=0.3)
        assert len(calling.intake.seen) == 1, "nobody sends within another's lease"
        await end_leases(calling)

        async def heard() -> bool:
            return len(calling.heard) == 1

        await eventually(heard)
    assert [seen.key for seen in calling.intake.seen] == [str(call_id)] * 2
    assert (calling.heard[0].ok, calling.heard[0].attempt) == (True, 2)


async def test_who_lost_its_lease_settles_nothing(calling: Calling) -> None:
    """The first caller is slow; its lease ends and a second one does the call. The first one's answer is dropped."""
    calling.intake.hold = asyncio.Event()
    await calling.add(calling.call())
    async with running(calling.run):
        await eventually(lambda: sent(calling, 1))
        await end_leases(calling)
        async with running(calling.run):
            await eventually(lambda: sent(calling, 2))
            calling.intake.hold.set()

            async def done() -> bool:
                return await count(calling.database, "outgoing_call") == 0 and calling.intake.now_inside == 0

            await eventually(done)
    assert len(calling.heard) == 1


class Stumbling(MovableClock):
    """A process that is frozen for twenty seconds between any two looks at its clock."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        self.move(timedelta(seconds=20))
        return super().monotonic()


async def test_a_process_that_stood_still_since_its_claim_sends_nothing(calling: Calling, empty_database: str) -> None:
    await calling.add(calling.call())
    database = open_database(empty_database, service="escalation", clock=Stumbling(START))

    async def claimed() -> bool:
        return await count(calling.database, "outgoing_call where lease_until is not null") == 1

    async with Peers(calling.peers) as peers:
        async with running(lambda stop: Caller(database, calling.kinds, peers).run(beat=no_beat, stop=stop)):
            await eventually(claimed)
        assert calling.intake.seen == []
    await end_leases(calling)
    async with running(calling.run):
        await eventually(lambda: sent(calling, 1))
    await database.close()


async def test_a_drain_ends_what_is_under_way_and_begins_nothing(calling: Calling) -> None:
    calling.intake.hold = asyncio.Event()
    settings = ServiceSettings(
        database=DatabaseSettings.model_validate({"url": "postgresql://nobody@127.0.0.1:1/x"}),
        kafka=KafkaSettings(bootstrap="127.0.0.1:1"),
    )
    stopping = asyncio.Event()
    beats: list[int] = []
    runtime = Runtime(
        settings=settings,
        database=calling.database,
        clock=calling.clock,
        beat=lambda: beats.append(1),
        stopping=stopping,
    )
    role = caller(calling.kinds, calling.peers)
    await calling.add(calling.call())

    async def run(_stop: asyncio.Event) -> None:
        await role(runtime)

    async with running(run) as task:
        await eventually(lambda: sent(calling, 1))
        stopping.set()
        await asyncio.wait({task}, timeout=0.2)  # a look that was under way already may take what it finds
        await calling.add(calling.call())
        await asyncio.wait({task}, timeout=0.2)
        assert not task.done()
        calling.intake.hold.set()
        await asyncio.wait({task}, timeout=30)
        assert task.done()
    assert len(calling.heard) == 1
    assert beats
    assert await count(calling.database, "outgoing_call where attempts = 0") == 1


async def test_a_slow_peer_is_left_after_the_limit_and_asked_again(calling: Calling) -> None:
    calling.intake.hold = asyncio.Event()
    await calling.add(calling.call())
    async with running(lambda stop: calling.run(stop, timeout=timedelta(milliseconds=200))):

        async def failed() -> bool:
            return len(calling.heard) == 1

        await eventually(failed)
    assert calling.heard[0].fault == "timeout"
    calling.intake.hold.set()
    calling.clock.move(timedelta(seconds=1))
    async with running(calling.run):

        async def done() -> bool:
            return await count(calling.database, "outgoing_call") == 0

        await eventually(done)
    assert len({seen.key for seen in calling.intake.seen}) == 1
