"""What operators give up: those records and no others, for good, whoever acts beside them and whatever is read."""

import asyncio

import pytest
from sqlalchemy import text

from common.backbone.poison import discard_poison
from common.backbone.protocols import RecordHeader
from common.errors import Conflict
from common.ids import new_id
from tests.support.backbone import ORIGIN, count, event_of, headers_of
from tests.support.bench import PLACE, bench


async def test_two_operators_who_discard_the_same_event_discard_no_other(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.add(f"ticket/{ticket}")
        service.add(*(event_of(ticket, seq) for seq in (1, 2, 3)))
        await service.consume()
        done = await asyncio.gather(*(service.discard(ticket, first_seq=1) for _ in range(2)), return_exceptions=True)
        assert sorted(map(str, done)) == ["1", f"ticket/{ticket} changed meanwhile: its first event is 2 now, not 1"]
        assert [each.code for each in done if isinstance(each, Conflict)] == ["changed_meanwhile"]
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [2, 3]}


async def test_a_discard_gives_up_nothing_that_a_redrive_has_come_to_meanwhile(empty_database: str) -> None:
    """1 was applied after all when 2 failed for another reason: who gives up 1 does not mean 2."""
    ticket = new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.add(f"ticket/{ticket}")
        service.add(*(event_of(ticket, seq) for seq in (1, 3)))
        await service.consume()
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap"}
        with pytest.raises(Conflict, match="its first event is 3 now, not 1"):
            await service.discard(ticket, first_seq=1)
        assert await count(service.inbox.database, "parked_event") == 1


async def test_what_was_given_up_stays_so_when_it_is_read_again(empty_database: str) -> None:
    """A replay brings back neither a poison record nor a record without a number nor one that cannot be read."""
    ticket = new_id()
    whole = headers_of(event_of(ticket, 2))
    unreadable = [(name, b"yesterday" if name == "ce_time" else value) for name, value in whole]
    numberless = [(name, value) for name, value in whole if name != "ce_subjectseq"]
    async with bench(empty_database) as service:
        service.add(event_of(ticket, 1))
        service.add_raw((unreadable, b"{}"), (numberless, b"{}"), ([], b"?"))
        await service.consume()
        await service.discard(ticket, first_seq=0)
        await service.discard(ticket, first_seq=2)
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=3, actor="client:ops", reason="a stranger's")
            await tx.connection.execute(text("update consumer_offset set next_offset = 0, epoch = epoch + 1"))
        await service.claim()
        await service.consume()
        assert await service.inbox.parked() == {}
        assert await count(service.inbox.database, "poison_record") == 0
        service.add(event_of(ticket, 3))
        await service.consume()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 3]}


@pytest.mark.parametrize("readable", [True, False])
async def test_giving_up_a_number_far_ahead_gives_up_none_of_those_in_between(
    empty_database: str, readable: bool
) -> None:
    """Only the record goes, for good: a replay does not bring it back, before the next event or behind it."""
    ticket = new_id()
    forged = event_of(ticket, 999_999)
    headers = [(name, value if readable or name != "ce_time" else b"soon") for name, value in headers_of(forged)]
    async with bench(empty_database) as service:
        service.add(event_of(ticket, 1))
        service.add_raw((headers, forged.data))
        await service.consume()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap" if readable else "undecodable"}
        await service.discard(ticket, first=1)
        await service.read_again()
        service.add(event_of(ticket, 2))
        await service.consume()
        await service.read_again()
        assert await service.inbox.parked() == {}
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2]}


async def test_giving_up_a_number_beyond_a_gap_skips_nothing(empty_database: str) -> None:
    """To go over the gap is a deed of its own."""
    ticket = new_id()
    async with bench(empty_database) as service:
        service.add(*(event_of(ticket, seq) for seq in (1, 4, 5)))
        await service.consume()
        assert await service.discard(ticket, first_seq=4) == 1
        assert await service.redrive()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "gap"}
        service.add(event_of(ticket, 2))
        await service.consume()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2]}


async def test_a_fork_that_was_given_up_stays_so_when_it_is_read_again(empty_database: str) -> None:
    ticket = new_id()
    async with bench(empty_database) as service:
        service.add(*(event_of(ticket, seq) for seq in (1, 2, 2)))
        await service.consume()
        assert await service.inbox.parked() == {f"ticket/{ticket}": "fork"}
        await service.discard(ticket, first=2)
        await service.read_again()
        assert await service.inbox.parked() == {}
        service.add(event_of(ticket, 3))
        await service.consume()
        assert await service.inbox.effects() == {f"ticket/{ticket}": [1, 2, 3]}


async def test_two_operators_who_discard_one_of_two_records_without_a_number_discard_no_other(
    empty_database: str,
) -> None:
    ticket = new_id()
    numberless = [(name, value) for name, value in headers_of(event_of(ticket, 1)) if name != "ce_subjectseq"]
    async with bench(empty_database) as service:
        service.add_raw((numberless, b"first"), (numberless, b"second"))
        await service.consume()
        done = await asyncio.gather(*(service.discard(ticket, first=0) for _ in range(2)), return_exceptions=True)
        changed = f"{PLACE.topic}/0/1 now, not {PLACE.topic}/0/0"
        assert sorted(map(str, done)) == ["1", f"ticket/{ticket} changed meanwhile: its first record is {changed}"]
        assert await count(service.inbox.database, "parked_event where payload = 'second'") == 1


async def test_what_was_given_up_is_known_again_where_a_header_has_no_value(empty_database: str) -> None:
    ticket = new_id()
    headers: list[RecordHeader] = [(name, value) for name, value in headers_of(event_of(ticket, 1)) if name != "ce_id"]
    async with bench(empty_database) as service:
        service.add_raw(([*headers, ("ce_id", None)], b"{}"), ([("ce_subject", None)], b"?"))
        await service.consume()
        await service.discard(ticket, first=0)
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=1, actor="client:ops", reason="a stranger's")
        await service.read_again()
        assert await service.inbox.parked() == {}
        assert await count(service.inbox.database, "poison_record") == 0


async def test_a_topic_made_anew_hides_no_record_behind_one_that_stood_at_its_place(empty_database: str) -> None:
    """Whether that one was given up as poison, or waits to this day."""
    former, ticket = new_id(), new_id()
    async with bench(empty_database) as service:
        service.inbox.poison.update((f"ticket/{former}", f"ticket/{ticket}"))
        service.add_raw(([], b"?"))
        service.add(event_of(former, 1))
        await service.consume()
        async with service.inbox.database.begin(ORIGIN) as tx:
            await discard_poison(tx, place=PLACE, offset=0, actor="client:ops", reason="a stranger's")
        service.log.clear()
        service.add_raw(([], b"!"))
        service.add(event_of(ticket, 1))
        await service.read_again()
        await service.read_again()
        assert await count(service.inbox.database, "poison_record where payload = '!'") == 1
        assert await count(service.inbox.database, "parked_event") == 2
        service.inbox.poison.clear()
        assert await service.redrive()
        assert await service.redrive()
        assert await service.inbox.effects() == {f"ticket/{former}": [1], f"ticket/{ticket}": [1]}
