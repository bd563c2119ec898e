"""What the relay must bear: another that does not ask for leases, and transactions that commit late."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime

from common.ids import new_id
from common.outbox import _WRITE, shard_of
from contracts.envelope import encode_headers
from tests.faults.bystander import open_bystander
from tests.faults.faults import Fault, Made
from tests.faults.world import World, at_once
from tests.support.eventually import pass_time

_HELD_S = 8.0
_HELD_IN_SOAK = 4
"""How many times longer it is held where there is time: for minutes."""
_TYPE = "support.ticket.probed.v1"
"""Nobody handles it; cursors move over it all the same."""


async def forge_lease(world: World) -> Made:
    """Two relays publish the same rows at the same time."""
    async with AsyncExitStack() as held:
        await at_once(
            *(
                held.enter_async_context(world.second(service, "--roles", "relay", FAULTS_FORGED_LEASE="1"))
                for service in ("intake", "routing")
            )
        )
        await pass_time(4.0 * world.patience)
    return Made(detail="of intake and of routing")


async def hold_transaction(world: World) -> Made:
    """An id is drawn, hundreds of later ones are published, and then its transaction commits."""
    ticket = await open_bystander(world, "held")
    held_s = _HELD_S * world.patience * (_HELD_IN_SOAK if world.patience > 1 else 1)
    event_id, now = new_id(), datetime.now(UTC)
    headers = encode_headers(
        event_id=event_id,
        source="/frontline/tests/intake",
        event_type=_TYPE,
        subject=ticket.subject,
        time=now,
    )
    async with world.connected("intake") as connection:
        await connection.execute("begin")
        await connection.fetch(
            _WRITE,
            [ticket.subject],
            [1],
            [event_id],
            [ticket.subject],
            [0],
            [ticket.ticket_id],
            [_TYPE],
            [headers],
            [b"{}"],
            [now],
            [shard_of(ticket.subject)],
        )
        await pass_time(held_s)
        passed = await connection.fetchval(
            "select pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass) - id from event"
            " where event_id = $1",
            event_id,
        )
        await connection.execute("commit")
    return Made(detail=f"held for {held_s:.0f} s while {passed} later ids were drawn")


async def hold_strange_transaction(world: World) -> Made:
    """In another database of the server; nobody's floor can rise as long as it runs."""
    async with world.connected() as connection:
        await connection.execute("begin")
        await connection.fetchval("select pg_current_xact_id()::text")
        await pass_time(3.0 * world.patience)
        await connection.execute("rollback")
    return Made()


FAULTS = (
    Fault(
        name="forged_lease",
        sentence="a second relay that believes every shard to be its own",
        make=forge_lease,
        lasts_s=6.0,
    ),
    Fault(
        name="held_transaction",
        sentence="a transaction that has drawn an id in intake's outbox stays open, then commits",
        make=hold_transaction,
        lasts_s=_HELD_S,
    ),
    Fault(
        name="strange_transaction",
        sentence="a transaction of another database of the same server stays open",
        make=hold_strange_transaction,
        lasts_s=3.0,
    ),
)
