"""Every kind of record that no relay of ours would write, in the topic of intake."""

import asyncio
import time

from common.backbone.partitioner import partition_of
from contracts.envelope import kafka_headers
from tests.faults.bystander import LISTENERS, Bystander, open_bystander, read_events
from tests.faults.faults import Fault, Made, Poisoned
from tests.faults.forging import FORGERIES, Forgery, RawRecord, write_raw_records
from tests.faults.world import NotPossible, World, wait_for
from tests.support.stack import PARTITIONS

_PARKED_S = 10.0
_BREAKER_S = 60.0
"""Within a minute a consumer parks few subjects; of more it would rather believe that it is broken itself, and stop."""


async def forge(world: World) -> Made:
    """One ticket for each kind that parks, one for all others; each kind waits until the one before was judged."""
    if world.forged_at is not None and time.monotonic() - world.forged_at < _BREAKER_S:
        raise NotPossible("records were forged less than a minute ago: consumers would stop at so many parked subjects")
    parking = [forgery.name for forgery in FORGERIES if forgery.fate == "parked"]
    everybody = await asyncio.gather(*(open_bystander(world, "forged") for _ in range(len(parking) + 1)))
    spare, tickets = everybody[0], dict(zip(parking, everybody[1:], strict=True))
    world.poisoned.update((consumer, "intake", each.subject) for each in tickets.values() for consumer in LISTENERS)
    for forgery in FORGERIES:
        ticket = tickets.get(forgery.name, spare)
        await _write(world, forgery, ticket)
        if forgery.fate == "parked":
            # Who does not park it in time is for the checker to say.
            await wait_for(lambda ticket=ticket: _is_parked(world, ticket), within=_PARKED_S)
    poison: list[Poisoned] = [
        (consumer, "intake", tickets[forgery.name].subject, forgery.reason, tickets[forgery.name].last_seq + 1)
        for forgery in FORGERIES
        if forgery.fate == "parked"
        for consumer in LISTENERS
    ]
    kept = sum(forgery.fate == "poison" for forgery in FORGERIES)
    detail = f"{len(FORGERIES)} kinds, of which {len(parking)} park and {kept} are kept as poison"
    return Made(detail=detail, poison=poison, poison_records=kept * len(LISTENERS))


async def _write(world: World, forgery: Forgery, ticket: Bystander) -> None:
    async with world.connected("intake") as connection:
        rows = await read_events(connection, ticket.subject)
    told = [
        RawRecord(
            partition=partition_of(row["key"], PARTITIONS),
            key=row["key"].encode(),
            headers=tuple(kafka_headers(row["headers"], row["seq"])),
            value=row["payload"],
        )
        for row in rows
    ]
    topic = world.stack.topics["intake"]
    record = forgery.forge(told, partitions=PARTITIONS)
    [(partition, offset)] = await write_raw_records(world.stack.servers.kafka_bootstrap, topic, [record])
    world.forged.add((topic, partition, offset))
    world.forged_at = time.monotonic()


async def _is_parked(world: World, ticket: Bystander) -> bool:
    """Whether every consumer of intake's topic has parked it."""
    query = "select exists (select 1 from parked_subject where source = 'intake' and subject = $1)"
    for service in LISTENERS:
        async with world.connected(service) as connection:
            if not await connection.fetchval(query, ticket.subject):
                return False
    return True


FAULTS = (
    Fault(
        name="forged_records",
        sentence="every kind of record that no relay would write: repeats, forks, gaps, corrupt, oversize, without "
        "headers",
        make=forge,
        lasts_s=6.0,
        mixes=False,
    ),
)
