"""The relay: carries committed events from the outbox to Kafka, in order per subject, and deletes what has arrived.

It goes by presence, not by position: a row stays until Kafka has acknowledged it, whoever reads it how often. So a
crash at any moment repeats events and loses none. Order rests on four things: ids are drawn under the subject's lock;
rows are always read from the floor in the order of ids, those in flight left out by their ids; a partition's rows wait
in one line; and at most one batch of a partition is unacknowledged.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from common.backbone import metrics
from common.backbone.backoff import back_off
from common.backbone.floor import EVERY_S, Floors
from common.backbone.kafka import open_outgoing
from common.backbone.protocols import OutboxRow, OutboxStore, OutgoingLog
from common.backbone.relay_store import LEASE, open_outbox_store
from common.bells import OUTBOX
from common.clock import Clock
from common.database import Database
from common.errors import Unavailable
from common.ids import new_id
from common.settings import KafkaSettings
from contracts.topics import topic_name

_log = logging.getLogger(__name__)
_PAGE = 500
"""Rows of one shard a read, 4,000 of all: more is slower."""
_MAX_IN_FLIGHT = 10_000
"""Rows read and not yet deleted, so that a partition that is stuck cannot fill the memory."""
_POLL_S = (0.006, 0.05)
"""Shortest and longest pause between reads that find nothing."""
_SLOWER = 1.5
"""By how much the next pause is longer."""
_GATHER_S = 0.004
"""Between being woken and the look. What a process has committed is often followed at once, as an enqueued ticket is by
its assignment: together they cost one batch, apart the second waits until the first is acknowledged."""
_RENEW_S = 1.5
_LEASE_MARGIN_S = 1.0
_WATCHDOG_S = 15.0
_SWEEP_S = 30.0
_GAUGE_S = 5.0
_GAUGE_LIMIT_S = 1.0
_DRAIN_S = 5.0
_MAX_FAILURES = 5


class SendFailed(Exception):
    """Kafka refused a batch or did not acknowledge it in time; only a new producer can be trusted after that."""


class LeaseLost(Exception):
    """The leases could not be renewed in time; another relay may own the shards by now."""

    def __str__(self) -> str:
        """The class's meaning, since nothing more is known."""
        return "the leases ran out"


async def run_relay(
    *,
    database: Database,
    kafka: KafkaSettings,
    service: str,
    beat: Callable[[], None],
    stop: asyncio.Event,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Publish this service's events until `stop` is set, then drain what is on its way.

    An absent Kafka or database is waited for. Several processes may run it: one owns each shard at a time.

    Args:
        ready: called whenever Kafka and the database were reached.
    Raises:
        SendFailed: five sessions in a row failed although Kafka answered; the process should start anew.
        Misconfigured: the topic is absent or has another number of partitions.
    """
    topic = topic_name(service, kafka.topic_prefix)

    async def open_session() -> tuple[OutboxStore, OutgoingLog]:
        store = await open_outbox_store(database)
        try:
            log = await open_outgoing(kafka, topic)
        except BaseException:
            await store.close()
            raise
        ready()
        return store, log

    bell = database.bells.listen(OUTBOX)
    await relay_events(open_session, clock=database.clock, bell=bell, beat=beat, stop=stop)


async def relay_events(
    open_session: Callable[[], Awaitable[tuple[OutboxStore, OutgoingLog]]],
    *,
    clock: Clock,
    bell: asyncio.Event,
    beat: Callable[[], None],
    stop: asyncio.Event,
) -> None:
    """`run_relay` over any store and log: one session after another, none of which trusts what the last one knew.

    Args:
        bell: may be set where there are new rows; without it they are found at the next look.
    """
    failures, absences = 0, 0
    # One for all sessions: what one of them could not give back, the next one holds at once and need not wait for.
    holder = str(new_id())
    while not stop.is_set():
        beat()
        try:
            store, log = await open_session()
        except Unavailable as absent:
            absences += 1
            _log.warning("the relay waits", extra={"cause": absent.detail})
            await back_off(stop, absences)
            continue
        absences = 0
        metrics.sessions.add(1)
        session = Session(store, log, holder=holder, clock=clock, bell=bell, beat=beat, stop=stop)
        try:
            await session.run()
        except (LeaseLost, Unavailable) as passing:
            _log.warning("the relay begins anew", extra={"cause": str(passing)})
        except SendFailed as failure:
            failures = 1 if session.delivered else failures + 1
            _log.warning("the relay begins anew", extra={"cause": str(failure), "failures": failures})
            if failures >= _MAX_FAILURES:
                raise
        finally:
            await log.close()
            await store.close()
        await back_off(stop, failures)


class Session:
    """One producer, one store, and what they have on their way. It ends at the first failure of either."""

    def __init__(
        self,
        store: OutboxStore,
        log: OutgoingLog,
        *,
        holder: str,
        clock: Clock,
        bell: asyncio.Event,
        beat: Callable[[], None],
        stop: asyncio.Event,
    ) -> None:
        """Args: clock: for durations; the leases themselves run by the database's clock."""
        self.delivered = 0
        self._store = store
        self._log = log
        self._clock = clock
        self._beat = beat
        self._stop = stop
        self._holder = holder
        self._floors = Floors()
        self._known: dict[int, int] = {}
        """Shard by id, of every row read and not yet deleted."""
        self._waiting: dict[int, deque[OutboxRow]] = {}
        """Rows not yet sent, by partition; a partition without any has no entry."""
        self._sending: dict[int, float] = {}
        """When each partition's unacknowledged batch was sent."""
        self._acknowledged: list[tuple[int, int]] = []
        self._failure: BaseException | None = None
        self._wake = bell
        self._lease_end = 0.0
        self._next: dict[str, float] = {}

    async def run(self) -> None:
        """Read, send, delete until stopped.

        Raises:
            SendFailed: a batch failed or was not acknowledged within 15 s.
            LeaseLost: the leases ran out before they could be renewed.
            Unavailable: the database does not answer.
        """
        pause = _POLL_S[0]
        while not self._stop.is_set():
            self._beat()
            await self._keep_house()
            self._check()
            # Cleared before the look, so that what is committed during it is not slept over.
            woken = self._wake.is_set()
            self._wake.clear()
            found = await self._work()
            await self._measure()
            # What a look by the clock finds comes from another process: more may follow, and no bell tells of it.
            pause = _POLL_S[0] if found and not woken else min(pause * _SLOWER, _POLL_S[1])
            if not found or len(self._known) >= _MAX_IN_FLIGHT:
                backlog = len(self._known) >= _PAGE
                await self._wait(pause, gather_s=0.0 if backlog else _GATHER_S)
        await self._drain()

    async def _work(self) -> int:
        """Pack and send what was read before, while the database deletes what has arrived and reads the next rows.

        What is being deleted is known as long as that lasts, so the reading cannot find it again.
        """
        found, *others = await asyncio.gather(self._read(), self._delete(), self._send(), return_exceptions=True)
        for outcome in (found, *others):
            if isinstance(outcome, BaseException):
                raise outcome
        assert isinstance(found, int)
        return found

    async def _read(self) -> int:
        if not self._floors.by_shard or len(self._known) >= _MAX_IN_FLIGHT:
            return 0
        rows = await self._store.read_rows(self._floors.by_shard, self._known.keys(), _PAGE)
        partition_of = self._log.partition_of
        for row in rows:
            self._known[row.id] = row.shard
            self._waiting.setdefault(partition_of(row.key), deque()).append(row)
        return len(rows)

    async def _send(self) -> None:
        """Give every partition that has rows and nothing unacknowledged its next batch."""
        for partition in [partition for partition in self._waiting if partition not in self._sending]:
            if self._clock.monotonic() > self._lease_end - _LEASE_MARGIN_S:
                raise LeaseLost
            line = self._waiting[partition]
            sent: list[OutboxRow] = []
            self._sending[partition] = self._clock.monotonic()
            try:
                async with asyncio.timeout(_WATCHDOG_S):
                    count = await self._log.send(partition, line, self._settle_later(partition, sent))
            except Exception as error:
                raise SendFailed(f"partition {partition}: {error!r}") from error
            sent.extend(line.popleft() for _ in range(count))
            if not line:
                del self._waiting[partition]
            # What the database answers meanwhile is taken in now, else its connection fills up and it waits for us.
            await asyncio.sleep(0)

    def _settle_later(self, partition: int, sent: Sequence[OutboxRow]) -> Callable[[BaseException | None], None]:
        def settle(error: BaseException | None) -> None:
            began = self._sending.pop(partition)
            if error is None:
                metrics.publish_seconds.record(self._clock.monotonic() - began)
                self._acknowledged.extend((row.shard, row.id) for row in sent)
            else:
                self._failure = error
            if error or partition in self._waiting or len(self._known) >= _MAX_IN_FLIGHT:
                # Else nothing waits for it: what has arrived is deleted with the next look.
                self._wake.set()

        return settle

    async def _delete(self) -> None:
        gone, self._acknowledged = self._acknowledged, []
        if not gone:
            return
        await self._store.delete_rows(gone)
        self._floors.note_deletion()
        for _, id_ in gone:
            self._known.pop(id_, None)
        self.delivered += len(gone)
        metrics.published.add(len(gone))

    def _check(self) -> None:
        if self._failure is not None:
            raise SendFailed(repr(self._failure)) from self._failure
        oldest = min(self._sending.values(), default=None)
        if oldest is not None and self._clock.monotonic() - oldest > _WATCHDOG_S:
            raise SendFailed(f"not acknowledged within {_WATCHDOG_S} s")

    async def _wait(self, pause_s: float, *, gather_s: float = _GATHER_S) -> None:
        """Until the pause is over, or a moment after there may be something to do."""
        try:
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(gather_s)

    async def _keep_house(self) -> None:
        """Before and behind what may be slow the lease is looked after: a step that outlasts it must not go unseen."""
        await self._renew_when_due()
        if self._due("floor", EVERY_S):
            await self._floors.raise_by(self._store)
        if self._due("sweep", _SWEEP_S):
            below = await self._floors.sweep(self._store)
            metrics.below_floor.add(below)
            if below:
                _log.error("rows below the floor", extra={"rows": below})
        await self._renew_when_due()

    async def _measure(self) -> None:
        """Nothing depends on it, so it may not cost the lease."""
        if not self._due("gauge", _GAUGE_S):
            return
        try:
            async with asyncio.timeout(_GAUGE_LIMIT_S):
                metrics.oldest_age.set(await self._store.find_oldest_age() if self._floors.by_shard else 0.0)
        except TimeoutError:
            _log.warning("the age of the oldest event took too long to find")

    def _due(self, what: str, every_s: float) -> bool:
        now = self._clock.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every_s
        return True

    async def _renew_when_due(self) -> None:
        if self._due("renew", _RENEW_S):
            await self._renew()

    async def _renew(self) -> None:
        """Keep the shards that are ours and take those that are free. The time left counts from before the asking."""
        asked = self._clock.monotonic()
        kept = await self._store.renew_shards(self._holder)
        lost = self._floors.by_shard.keys() - kept
        if lost:
            self._forget(lost)
        taken = await self._store.claim_shards(self._holder)
        self._floors.hold(kept | taken)
        self._lease_end = asked + LEASE.total_seconds()
        metrics.shards.set(len(kept | taken))
        if taken:
            metrics.leases.add(len(taken))
        if lost or taken:
            _log.info("shards", extra={"kept": sorted(kept), "taken": sorted(taken), "lost": sorted(lost)})

    def _forget(self, lost: set[int]) -> None:
        """Drop unsent rows of shards that another relay owns now. What was sent may still be deleted: it arrived."""
        for partition, line in list(self._waiting.items()):
            ours = deque(row for row in line if row.shard not in lost)
            for row in line:
                if row.shard in lost:
                    self._known.pop(row.id, None)
            if ours:
                self._waiting[partition] = ours
            else:
                del self._waiting[partition]

    async def _drain(self) -> None:
        """Publish what was committed before the stop, delete what arrives in time, then hand the shards over."""
        limit = self._clock.monotonic() + _DRAIN_S
        await self._read()
        while (self._waiting or self._sending) and self._clock.monotonic() < limit:
            self._check()
            self._wake.clear()
            await self._send()
            await self._wait(_POLL_S[0])
            await self._delete()
        # What settled while the last rows were read has not been deleted yet.
        await self._delete()
        await self._store.release_shards(self._holder)
