"""Kafka and PostgreSQL die, are restarted, refuse, run out of disk."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.faults.faults import Fault, Made
from tests.faults.world import NotPossible, World
from tests.support.directory import new_ticket
from tests.support.eventually import pass_time

_ANSWER_S = 30.0
_CHUNK_BYTES = 4 * 1024 * 1024


async def kill_broker(world: World) -> Made:
    """`kill -9`, then a start on what is left. Tickets are taken meanwhile."""
    return await _take_away(world, world.servers.kill_kafka, away_s=1.0, name="Kafka", wanted="201")


async def restart_broker(world: World) -> Made:
    """A clean stop and a start."""
    await world.servers.stop_kafka()
    await world.servers.start_again()
    return Made()


async def restart_postgres(world: World) -> Made:
    """An immediate shutdown: recovery from the log. Calls are refused for now meanwhile."""
    return await _take_away(
        world,
        world.servers.kill_postgres,
        away_s=0.5,
        name="PostgreSQL",
        wanted="503 application/problem+json, to be tried again",
    )


async def _take_away(
    world: World, end: Callable[[], Awaitable[None]], *, away_s: float, name: str, wanted: str
) -> Made:
    """End a server, ask for a ticket, start the server again.

    Args:
        wanted: what the answer must be.
    """
    try:
        await end()
        answer = await _open_ticket(world)
        await pass_time(away_s * world.patience)
    finally:
        await world.servers.start_again()
    wrong = f"without {name} a new ticket is answered with {answer}, not with {wanted}"
    troubles = [] if answer == wanted else [wrong]
    return Made(detail=f"a new ticket meanwhile: {answer}", troubles=troubles)


async def _open_ticket(world: World) -> str:
    """How a new ticket is answered that is asked for once, in words."""
    key = f"away-{world.chance.randrange(2**32)}"
    try:
        answer = await world.house.services["intake"].post(
            "/v1/tickets", headers={"Idempotency-Key": key}, json=new_ticket(0), timeout=_ANSWER_S
        )
    except httpx.HTTPError as broken:
        return f"nothing: {broken!r}"
    if answer.is_success:
        return str(answer.status_code)
    later = int(answer.headers.get("retry-after", "0"))
    return f"{answer.status_code} {answer.headers['content-type']}, {'' if later else 'not '}to be tried again"


async def terminate_connections(world: World) -> Made:
    """Every backend of our databases, five times a second."""
    databases = [world.database_name(service) for service in world.stack.database_urls]
    ended = 0
    async with world.connected() as connection:
        for _ in range(round(15 * world.patience)):
            ended += await connection.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = any($1)", databases
            )
            await pass_time(0.2)
    return Made(detail=f"{ended} connections ended")


async def fill_disk(world: World) -> Made:
    """Nothing can be written to PostgreSQL's volume for some seconds; if the server gives up, it is started again."""
    volume = world.servers.volume
    if volume is None:
        raise NotPossible("a small volume cannot be mounted here: it takes root, and a kernel that lets it")
    filler = volume / "filler"
    try:
        filled = _fill(filler)
        for _ in range(round(4 * world.patience)):
            await pass_time(1.0)
            filled += _fill(filler)
    finally:
        filler.unlink(missing_ok=True)
    await world.servers.start_again()
    return Made(detail=f"{filled // 1024**2} MiB filled the volume")


def _fill(filler: Path) -> int:
    """Write until there is no more room; returns how many bytes found some."""
    written = 0
    file = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (_CHUNK_BYTES, 4096):
            try:
                while True:
                    written += os.write(file, bytes(size))
            except OSError:
                continue  # full for this size
    finally:
        os.close(file)
    return written


FAULTS = (
    Fault(name="broker_killed", sentence="kill -9 of the broker, then a restart", make=kill_broker, lasts_s=6.0),
    Fault(name="broker_restarted", sentence="a clean restart of the broker", make=restart_broker, lasts_s=6.0),
    Fault(
        name="postgres_restarted",
        sentence="an immediate shutdown of PostgreSQL, then a restart",
        make=restart_postgres,
        lasts_s=2.0,
    ),
    Fault(
        name="connections_ended",
        sentence="pg_terminate_backend of every connection, five times a second",
        make=terminate_connections,
        lasts_s=4.0,
    ),
    Fault(
        name="disk_full",
        sentence="no room on PostgreSQL's volume",
        make=fill_disk,
        lasts_s=5.0,
        mixes=False,
    ),
)
