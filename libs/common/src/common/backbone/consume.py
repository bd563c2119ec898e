"""The consumer's loop: claim, poll, decode, apply, and what to do when one of them fails.

The truth about where a partition stands is its row in the service's own database, moved in the transaction that holds
the effects. Kafka's group only says who should read which partition; the epoch in that row says who may.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from common.backbone import applying, metrics
from common.backbone.applying import Applier, BreakerTripped, Fenced, Item
from common.backbone.backoff import back_off
from common.backbone.consumer import Handler
from common.backbone.decoding import decode_records
from common.backbone.inbox_store import PostgresInbox
from common.backbone.kafka import open_incoming
from common.backbone.lag import Lag
from common.backbone.protocols import Claim, IncomingLog, LogEnded, OffsetLost, Place
from common.database import Database, UnknownOutcome
from common.errors import Unavailable
from common.ids import new_id
from common.settings import KafkaSettings
from contracts.topics import topic_name

_log = logging.getLogger(__name__)
_MAX_RECORDS = 2_000
_POLL_LIMIT_S = 60.0
_PROGRESS_LIMIT_S = 120.0
_PROGRESS_CHECK_S = 30.0
_HINT_S = 5.0
_CONFIRM_S = 5.0
_MAX_POLL_FAILURES = 20
_MAX_UNFINISHED = 3
"""Attempts at a whole batch that the database did not finish although it answers; slices are smaller."""


class Stuck(Exception):
    """The consumer makes no progress although there is something to read; a new process may."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Decoded records, and the epochs under which they were polled."""

    items: Sequence[Item] = ()
    epochs: Mapping[Place, int] = field(default_factory=dict[Place, int])


async def run_consumer(
    *,
    database: Database,
    kafka: KafkaSettings,
    service: str,
    sources: Sequence[str],
    handlers: Sequence[Handler],
    beat: Callable[[], None],
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
    bootstrap: bool = False,
    gather: timedelta = timedelta(0),
) -> None:
    """Consume the events of other services until `stop` is set.

    An absent Kafka or database is waited for. Several processes of a service share the partitions.

    Args:
        sources: producing services, for instance ("intake",).
        ready: called whenever the group was joined.
        bootstrap: what this service has never read yet begins at the retention edge: subjects may begin with a
            number above 1 there, for ever. Partitions that it knows keep the mode that they began in.
        gather: how long records may gather before they are read.
    Raises:
        BreakerTripped: too many subjects fail; somebody must look.
        Stuck: a watchdog saw no progress; the process should start anew.
        Misconfigured: Kafka refuses us.
    """
    producers = {topic_name(source, kafka.topic_prefix): source for source in sources}
    applier = Applier(store=PostgresInbox(database, service=service), handlers=handlers)

    async def open_log() -> IncomingLog:
        group = f"{kafka.topic_prefix}{service}"
        log = await open_incoming(kafka, producers.keys(), group=group, gather=gather)
        ready()
        return log

    await consume_events(open_log, applier, producers=producers, bootstrap=bootstrap, beat=beat, stop=stop)


async def consume_events(
    open_log: Callable[[], Awaitable[IncomingLog]],
    applier: Applier,
    *,
    producers: Mapping[str, str],
    bootstrap: bool,
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """`run_consumer` over any log and store."""
    attempts = 0
    while not stop.is_set():
        beat()
        try:
            log = await open_log()
        except Unavailable as absent:
            attempts += 1
            _log.warning("the consumer waits", extra={"cause": absent.detail})
            await back_off(stop, attempts)
            continue
        attempts = 0
        try:
            await Consumer(log, applier, producers=producers, bootstrap=bootstrap, beat=beat, stop=stop).run()
        except LogEnded as ended:
            _log.warning("the consumer begins anew", extra={"cause": str(ended)})
            await back_off(stop, 1)
        finally:
            await log.close()


class Consumer:
    """One member of the group and its claims."""

    def __init__(
        self,
        log: IncomingLog,
        applier: Applier,
        *,
        producers: Mapping[str, str],
        bootstrap: bool,
        beat: Callable[[], None],
        stop: asyncio.Event,
    ) -> None:
        """Args: producers: producing service by topic."""
        self._log = log
        self._applier = applier
        self._producers = producers
        self._bootstrap = bootstrap
        self._beat = beat
        self._stop = stop
        self._owner = str(new_id())
        self._claims: dict[Place, Claim] = {}
        self._lag = Lag()
        self._dealt = -1
        """Number of the assignment that the claims belong to."""
        self._lost: dict[Place, int] = {}
        """Partitions whose offset the log no longer has, with the epoch of the claim that it belongs to."""
        self._poll_failures = 0
        self._hinted: dict[Place, int] = {}
        self._limit: asyncio.Timeout | None = None
        clock = applier.store.clock
        self._monotonic = clock.monotonic
        self._progress_at = self._hint_at = self._check_at = self._confirmed_at = clock.monotonic()

    async def run(self) -> None:
        """Consume until stopped.

        Raises:
            Stuck, BreakerTripped, Misconfigured: see `run_consumer`.
        """
        try:
            async with asyncio.timeout(_POLL_LIMIT_S) as self._limit:
                await self._loop()
        except TimeoutError as silence:
            raise Stuck(f"no poll finished for {_POLL_LIMIT_S} s") from silence

    async def _loop(self) -> None:
        batch = Batch()
        while not self._stop.is_set():
            self._beat()
            await self._claim()
            await self._check_claims()
            if not batch.items:
                batch = await self._fetch()
            if batch.items:
                batch = await self._work(batch)
            else:
                await self._check_progress()
            await self._hint()
        await self._hint(at_once=True)

    async def _claim(self) -> None:
        """Claim what was dealt to us and is not claimed yet. What was polled under an older claim is void."""
        dealt, places = self._log.assignment()
        if dealt != self._dealt:
            self._dealt = dealt
            self._claims.clear()
            metrics.rebalances.add(1)
            self._lost.clear()
        for place in self._lost:
            self._claims.pop(place, None)
        missing = sorted(places - self._claims.keys())
        if not missing:
            self._lag.keep(places)
            return
        try:
            bounds = await self._log.find_bounds(missing)
            claims = await self._applier.store.claim(
                {place: bounds[place][0] for place in missing},
                lost={place: epoch for place, epoch in self._lost.items() if place in missing},
                owner=self._owner,
                bootstrap=self._bootstrap,
            )
        except Unavailable as absent:
            # Nobody else can claim either: what was told of the lag stands.
            await self._wait_out(absent, 1)
            return
        for place, claim in claims.items():
            if self._lost.pop(place, None) is not None and claim.next_offset == bounds[place][0]:
                _log.error("offset lost, began anew at %d", claim.next_offset, extra={"place": place})
            self._log.seek(place, claim.next_offset)
        self._claims.update(claims)
        metrics.claims.add(len(claims))

    async def _fetch(self) -> Batch:
        """Poll and decode; only partitions that are claimed count."""
        try:
            polled = await self._log.poll(_MAX_RECORDS)
        except OffsetLost as lost:
            # Their claims last until the batch in hand is applied: it may hold what the log has dropped since.
            self._lost.update((place, self._claims[place].epoch) for place in lost.places if place in self._claims)
            return Batch()
        except Unavailable as absent:
            self._poll_failures += 1
            if self._poll_failures >= _MAX_POLL_FAILURES:
                raise Stuck(f"{_MAX_POLL_FAILURES} polls in a row failed") from absent
            _log.warning("polling failed", extra={"cause": absent.detail})
            await back_off(self._stop, self._poll_failures)
            return Batch()
        self._poll_failures = 0
        self._alive()
        if self._log.assignment()[0] != self._dealt:
            # Dealt anew meanwhile: these may come from wherever Kafka thinks we are. Claiming seeks.
            return Batch()
        epochs = {place: self._claims[place].epoch for place in polled if place in self._claims}
        records = itertools.chain.from_iterable(polled[place] for place in epochs)
        items = await decode_records(records, self._producers, at_once=self._applier.decoded_at_once)
        return Batch(items=items, epochs=epochs)

    async def _work(self, batch: Batch) -> Batch:
        """Apply a batch while the next one is fetched, and return that one."""
        lanes = applying.split_lanes(self._still_valid(batch), least=self._applier.lanes_from)
        if not lanes:
            return Batch()
        attempts = asyncio.gather(*map(self._attempt, lanes))
        failures, ahead = await asyncio.gather(attempts, self._fetch(), return_exceptions=True)
        if isinstance(ahead, BaseException):
            raise ahead
        if isinstance(failures, BaseException):
            raise failures
        for items, failure in zip(lanes, failures, strict=True):
            if not await self._finish(items, failure):
                return Batch()
        return ahead

    async def _finish(self, items: Sequence[Item], failure: Exception | None) -> bool:
        """Repeat what failed until it is applied; False where claims were lost meanwhile, or we are to stop."""
        attempts, unfinished = 0, 0
        while isinstance(failure, Unavailable) and not isinstance(failure, UnknownOutcome):
            if self._stop.is_set():
                return False
            attempts += 1
            unfinished += await self._wait_out(failure, attempts)
            if unfinished == _MAX_UNFINISHED:
                break
            failure = await self._attempt(items)
        if failure is None:
            return True
        if isinstance(failure, Fenced | UnknownOutcome):
            await self._start_over(failure)
            return False
        if isinstance(failure, BreakerTripped):
            raise failure
        return await self._work_in_slices(items, failure)

    async def _work_in_slices(self, items: Sequence[Item], failure: Exception) -> bool:
        """Park the streams that make a batch fail and apply the rest; False where claims were lost meanwhile."""
        _log.warning("a batch failed, going by subjects", extra={"error": repr(failure)})
        for stretch in applying.slice_items(items):
            attempts = 0
            while (trouble := await self._attempt(stretch, slice_of=applying.count_streams(items))) is not None:
                if isinstance(trouble, Fenced | UnknownOutcome):
                    await self._start_over(trouble)
                    return False
                if not isinstance(trouble, Unavailable):
                    raise trouble
                if self._stop.is_set():
                    return False
                attempts += 1
                await self._wait_out(trouble, attempts)
            self._alive()
            self._beat()
        return True

    async def _attempt(self, items: Sequence[Item], *, slice_of: int = 0) -> Exception | None:
        """Apply records once and note where that leaves us; what went wrong otherwise."""
        ends = {place: self._log.end_offset(place) for place in self._claims}
        try:
            await self._applier.apply(items, dict(self._claims), ends, slice_of=slice_of)
        except Exception as error:
            self._lag.tell(items, ends, now=self._applier.store.clock.now(), waiting=True)
            return error
        for place, offset in applying.next_offsets(items).items():
            if place in self._claims:
                self._claims[place] = replace(self._claims[place], next_offset=offset)
        self._progress_at = self._monotonic()
        self._lag.tell(items, ends, now=self._applier.store.clock.now())
        return None

    def _still_valid(self, batch: Batch) -> list[Item]:
        """Records of partitions whose claim has not changed since they were polled."""
        return [
            item
            for item in batch.items
            if (claim := self._claims.get(item.record.place)) and claim.epoch == batch.epochs[item.record.place]
        ]

    async def _start_over(self, failure: Exception) -> None:
        """Forget all claims; claiming again tells where the database stands.

        After a fence a good second later: the partition was given to somebody else, and Kafka is about to tell us.
        """
        if isinstance(failure, Fenced):
            metrics.fenced.add(1)
        _log.warning("claiming anew", extra={"cause": repr(failure)})
        self._claims.clear()
        await back_off(self._stop, 4 if isinstance(failure, Fenced) else 1)

    async def _wait_out(self, failure: Unavailable, attempts: int) -> bool:
        """Back off while the database is away, polling paused partitions so that the group keeps us.

        Returns:
            whether the database answers: then what failed is too slow for its limits, or met a lock.
        Raises:
            Stuck: it answers, and yet nothing got through for 120 s.
        """
        _log.warning("the consumer waits", extra={"cause": failure.detail, "attempts": attempts})
        self._log.pause(True)
        try:
            await self._fetch()
            await back_off(self._stop, attempts)
        finally:
            self._log.pause(False)
        self._beat()
        answering = await self._applier.store.is_answering()
        if not answering:
            # Without the database no progress can be expected.
            self._progress_at = self._monotonic()
        elif self._monotonic() - self._progress_at > _PROGRESS_LIMIT_S:
            raise Stuck(f"the database answers, and no batch got through for {_PROGRESS_LIMIT_S} s") from failure
        return answering

    async def _check_claims(self) -> None:
        """Where nothing comes, nothing fences: a partition that was set back by a replay would wait for news of its
        own, however busy the others are."""
        now = self._monotonic()
        if now - self._confirmed_at < _CONFIRM_S or not self._claims:
            return
        self._confirmed_at = now
        try:
            await self._applier.confirm(self._claims, {place: self._log.end_offset(place) for place in self._claims})
        except (Fenced, UnknownOutcome) as lost:
            await self._start_over(lost)
        except Unavailable as absent:
            _log.warning("cannot look at the claims", extra={"cause": absent.detail})

    async def _check_progress(self) -> None:
        """The watchdog for a log that gives nothing although it has something."""
        now = self._monotonic()
        if now - self._check_at < _PROGRESS_CHECK_S:
            return
        self._check_at = now
        try:
            bounds = await self._log.find_bounds(list(self._claims))
        except Unavailable as absent:
            _log.warning("cannot tell the lag", extra={"cause": absent.detail})
            return
        if all(bounds[place][1] <= claim.next_offset for place, claim in self._claims.items() if place in bounds):
            self._progress_at = now
        elif now - self._progress_at > _PROGRESS_LIMIT_S:
            raise Stuck(f"records are waiting, and none came for {_PROGRESS_LIMIT_S} s")

    async def _hint(self, *, at_once: bool = False) -> None:
        now = self._monotonic()
        if now - self._hint_at < _HINT_S and not at_once:
            return
        self._hint_at = now
        offsets = {place: claim.next_offset for place, claim in self._claims.items()}
        changed = {place: offset for place, offset in offsets.items() if self._hinted.get(place) != offset}
        if changed:
            await self._log.hint(changed)
            self._hinted = offsets

    def _alive(self) -> None:
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + _POLL_LIMIT_S)
