"""The worker role that posts. Several processes may run it: each line belongs to one of them at a time."""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from opentelemetry import metrics

from common.database import Database
from common.errands import run_errands
from common.errors import Unavailable
from common.ids import new_id
from common.runtime import Role, Runtime
from common.transaction import Origin
from common.webhooks import Answer, Poster, headers_of, signed_content
from intake.webhooks import queue, store
from intake.webhooks.domain import Attempt
from intake.webhooks.keys import Sealed, Sealer, SigningKey
from intake.webhooks.queue import Claimed
from intake.webhooks.settling import Settled, settle

_log = logging.getLogger(__name__)
TIMEOUT = timedelta(seconds=20)
"""Of one attempt. Source: Standard Webhooks 1.0.0, 15 to 30 s."""
PLACES = 32
"""Posts under way at once in one process."""
PLACES_OF_ONE = 4
"""Of these, for one endpoint; one that fails has a single place."""
PLACES_OF_FAILING = PLACES // 2
"""Of these, for all endpoints that fail: whatever time they take, the others have the rest."""
_MARGIN = timedelta(seconds=20)
"""How much longer than an attempt a lease is: for the settling, which may wait for locks."""
_SETTLERS = 4
"""Connections that settling takes of the process's pool at once."""
_LONGEST_PAUSE_S = 0.25
_SETTLING_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
_IDLE_PAUSE_S = 5.0
_ORIGIN = Origin(actor="service:intake")

_meter = metrics.get_meter("frontline.intake")
_attempts = _meter.create_counter("frontline.webhooks.attempts", "{attempt}", "posts to endpoints, by outcome")
_durations = _meter.create_histogram("frontline.webhooks.duration", "s", "one attempt")


def sender(sealer: Sealer | None, *, open_poster: Callable[[], Poster]) -> Role:
    """The role, for `Service.roles["webhook-sender"]`.

    Args:
        sealer: None where webhooks are not set up: then nothing is posted.
    """

    async def run(runtime: Runtime) -> None:
        if sealer is None:
            await _idle(runtime)
            return
        async with open_poster() as poster:
            await Sender(runtime.database, sealer, poster).run(beat=runtime.beat, stop=runtime.stopping)

    return run


class Sender:
    """Posts what is due until it is stopped."""

    def __init__(self, database: Database, sealer: Sealer, poster: Poster, *, lease: timedelta | None = None) -> None:
        """Args: poster: stays open for as long as this runs; lease: of a line, longer than an attempt."""
        self._database = database
        self._sealer = sealer
        self._poster = poster
        self._lease = lease or poster.timeout + _MARGIN
        self._under_way: Counter[UUID] = Counter()
        self._failing: set[UUID] = set()
        self._served: dict[UUID, float] = {}
        self._settlers = asyncio.Semaphore(_SETTLERS)

    async def run(self, *, beat: Callable[[], None], stop: asyncio.Event) -> None:
        """Post until `stop` is set; then what is under way ends first. An absent database is waited for."""
        await run_errands(
            lanes={"webhooks": PLACES},
            claim=self._claim,
            carry_out=self._carry_out,
            beat=beat,
            stop=stop,
            longest_pause_s=_LONGEST_PAUSE_S,
        )

    async def _claim(self, room: Mapping[str, int]) -> Sequence[Claimed]:
        clock = self._database.clock
        async with self._database.read() as connection:
            due = await queue.list_due_endpoints(connection, now=clock.now())
        rooms = self._deal(due, room["webhooks"])
        if not rooms:
            return ()
        async with self._database.begin(_ORIGIN) as tx:
            claimed = await queue.claim_heads(
                tx, rooms=rooms, holder=new_id(), lease=self._lease, asked=clock.monotonic()
            )
        for each in claimed:
            self._under_way[each.endpoint_id] += 1
            self._served[each.endpoint_id] = clock.monotonic()
        return claimed

    def _deal(self, due: Sequence[tuple[UUID, bool]], free: int) -> dict[UUID, int]:
        """How many lines to take of each endpoint: those that were served longest ago come first."""
        self._failing = {endpoint_id for endpoint_id, failing in due if failing} | {
            endpoint_id for endpoint_id in self._failing if self._under_way[endpoint_id]
        }
        free_of_failing = PLACES_OF_FAILING - sum(self._under_way[endpoint_id] for endpoint_id in self._failing)
        rooms: dict[UUID, int] = {}
        for endpoint_id, failing in sorted(due, key=lambda each: self._served.get(each[0], float("-inf"))):
            most = 1 if failing else PLACES_OF_ONE
            room = min(most - self._under_way[endpoint_id], free, free_of_failing if failing else free)
            if room > 0:
                rooms[endpoint_id] = room
                free -= room
                free_of_failing -= room if failing else 0
        return rooms

    async def _carry_out(self, claimed: Claimed) -> None:
        try:
            if self._database.clock.monotonic() - claimed.asked > _MARGIN.total_seconds() / 2:
                # This process stood still since the claim: the lease might end while we post.
                return
            attempt = await self._attempt(claimed)
            if attempt is not None:
                await self._settle(claimed, attempt)
        finally:
            self._under_way[claimed.endpoint_id] -= 1
            if not self._under_way[claimed.endpoint_id]:
                del self._under_way[claimed.endpoint_id]

    async def _attempt(self, claimed: Claimed) -> Attempt | None:
        """Post once; None where something of ours is wrong, which is no attempt: the lease ends, and it is tried again.

        What nobody foresaw must not end the role, and with it the posts of all others.
        """
        clock = self._database.clock
        began = clock.monotonic()
        try:
            answer = await self._post(claimed)
        except Unavailable as absent:
            _log.warning("a webhook waits", extra={"cause": absent.detail})
            return None
        except Sealed as sealed:
            _log.error("nothing can be posted to endpoint %s: %s", claimed.endpoint_id, sealed)
            return None
        except Exception:
            _log.exception("event %s cannot be posted to endpoint %s", claimed.event_id, claimed.endpoint_id)
            answer = Answer(fault="it cannot be posted")
        _durations.record(clock.monotonic() - began)
        return Attempt(
            number=claimed.attempts + 1, status=answer.status, error=answer.fault, retry_after=answer.retry_after
        )

    async def _post(self, claimed: Claimed) -> Answer:
        at = self._database.clock.now()
        keys = await self._keys(claimed.endpoint_id)
        content = signed_content(claimed.event_id, at=at, body=claimed.body)
        headers = headers_of(claimed.event_id, at=at, signatures=self._sealer.signatures(keys, content))
        return await self._poster.post(claimed.url, claimed.body, headers, at=at)

    async def _keys(self, endpoint_id: UUID) -> list[SigningKey]:
        async with self._settlers, self._database.read() as connection:
            return await store.list_keys(connection, [endpoint_id], now=self._database.clock.now())

    async def _settle(self, claimed: Claimed, attempt: Attempt) -> None:
        """Keep the outcome; where that fails for long, the attempt is repeated when the lease ends."""
        for pause in (*_SETTLING_PAUSES_S, None):
            try:
                async with self._settlers, self._database.begin(_ORIGIN) as tx:
                    settled = await settle(tx, claimed, attempt, chance=secrets.randbelow(1_000) / 1_000)
                _note(claimed, settled)
                return
            except Unavailable as absent:
                _log.warning("the outcome of a webhook waits", extra={"cause": absent.detail})
                if pause is not None:
                    await asyncio.sleep(pause)


async def _idle(runtime: Runtime) -> None:
    while not runtime.stopping.is_set():
        runtime.beat()
        try:
            async with asyncio.timeout(_IDLE_PAUSE_S):
                await runtime.stopping.wait()
        except TimeoutError:
            continue


def _note(claimed: Claimed, settled: Settled | None) -> None:
    facts = {"endpoint": str(claimed.endpoint_id), "subject": claimed.subject, "type": claimed.type}
    if settled is None:
        _log.warning("the line of event %s was taken over", claimed.event_id, extra=facts)
        return
    verdict = settled.verdict
    outcome = "delivered" if verdict is None else "disabled" if verdict.disabled_reason else "retried"
    _attempts.add(1, {"outcome": outcome})
    if verdict is not None:
        facts |= {"fault": settled.attempt.error, "attempt": str(settled.attempt.number)}
        level = logging.ERROR if verdict.disabled_reason else logging.WARNING
        _log.log(level, "event %s was not taken: %s", claimed.event_id, outcome, extra=facts)
