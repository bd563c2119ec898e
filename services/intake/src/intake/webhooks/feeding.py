"""The worker role that feeds endpoints with intake's own events, from the archive, and tells what operators watch.
Several processes may run it."""

import asyncio
import logging
from collections.abc import Callable

from opentelemetry import metrics

from common.database import Database
from common.errors import Unavailable
from common.feed import find_horizon
from common.runtime import Role, Runtime
from common.transaction import Origin
from intake.webhooks import log, queue
from intake.webhooks.queue import Fed
from intake.webhooks.usecases import letter_of

_log = logging.getLogger(__name__)
_PAGE = 500
_MOST_WAITING = 10_000
"""An endpoint for which so many events wait is fed no more until it takes some: they stand in the archive anyway."""
_PAUSE_S = 0.25
_GAUGE_S = 5.0
_ORIGIN = Origin(actor="service:intake")

_meter = metrics.get_meter("frontline.intake")
# Told here and not by the sender, or a sender that is absent would go unseen.
_oldest = _meter.create_gauge(
    "frontline.webhooks.oldest_waiting", "s", "how long the oldest due post waits, those to failing endpoints left out"
)
_endpoints = _meter.create_gauge("frontline.webhooks.endpoints", "{endpoint}", "endpoints, by state")


def feeder() -> Role:
    """The role, for `Service.roles["webhook-feeder"]`."""

    async def run(runtime: Runtime) -> None:
        await run_feeder(runtime.database, beat=runtime.beat, stop=runtime.stopping)

    return run


async def run_feeder(database: Database, *, beat: Callable[[], None], stop: asyncio.Event) -> None:
    """Feed until `stop` is set. An absent database is waited for."""
    clock, measured_s = database.clock, float("-inf")
    while not stop.is_set():
        beat()
        try:
            if clock.monotonic() - measured_s >= _GAUGE_S:
                measured_s = clock.monotonic()
                await _measure(database)
            moved = await feed_once(database)
        except Unavailable as absent:
            _log.warning("the feeding of webhooks waits", extra={"cause": absent.detail})
            moved = False
        if not moved:
            await _pause(stop)


async def feed_once(database: Database) -> bool:
    """Give every endpoint a page of what it has not been given; returns whether there may be more at once.

    Raises:
        Unavailable: the database is away.
    """
    async with database.read() as connection:
        if not await queue.is_anybody_fed(connection):
            return False
        horizon = await find_horizon(connection, 0)
        behind = [] if horizon is None else await queue.list_fed(connection, horizon=horizon)
    if horizon is None:
        return False
    moved = False
    for fed in behind:
        moved |= await _feed(database, fed, horizon=horizon)
    return moved


async def _measure(database: Database) -> None:
    """Tell what operators watch.

    Raises:
        Unavailable: the database is away.
    """
    now = database.clock.now()
    async with database.read() as connection:
        totals = await log.get_totals(connection, now=now)
    _oldest.set((now - totals.due_since).total_seconds() if totals.due_since else 0.0)
    _endpoints.set(totals.enabled - totals.failing, {"state": "enabled"})
    _endpoints.set(totals.failing, {"state": "failing"})
    _endpoints.set(totals.disabled, {"state": "disabled"})


async def _feed(database: Database, fed: Fed, *, horizon: int) -> bool:
    """Put a page of events into an endpoint's lines and note how far it came, in one transaction."""
    async with database.begin(_ORIGIN) as tx:
        position = await queue.lock_feed(tx.connection, fed.endpoint_id)
        if position is None or position >= horizon:
            return False
        if await queue.count_pending(tx.connection, fed.endpoint_id, limit=_MOST_WAITING) >= _MOST_WAITING:
            return False
        events, reached = await queue.list_archived(tx.connection, fed, after=position, horizon=horizon, limit=_PAGE)
        letters = [(fed.endpoint_id, letter_of(event)) for event in events]
        await queue.add_letters(tx, letters, again=True)
        await queue.move_feed(tx.connection, fed.endpoint_id, position=reached)
    return True


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_PAUSE_S):
            await stop.wait()
    except TimeoutError:
        return  # the ordinary end of a pause
