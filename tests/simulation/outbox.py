"""The way out of a simulated database: writing events, and what the relay asks of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from common.backbone.protocols import OutboxRow, Sample
from common.backbone.relay_store import LEASE
from common.errors import Unavailable
from common.outbox import SHARDS, shard_of
from contracts.envelope import encode_headers
from tests.simulation.database import GONE, Database, Work
from tests.simulation.loop import START, Process

SOURCE = "/frontline/simulated/intake"
EVENT_TYPE = "support.test.happened.v1"


@dataclass(kw_only=True)
class Lease:
    """Who owns a shard, until when by the database's clock."""

    holder: str = ""
    expires_at: float = -1.0


async def write_events(database: Database, work: Work, events: Sequence[tuple[str, UUID]]) -> None:
    """As `common.outbox.flush_events`: numbers under the locks of their subjects, then ids, in one statement.

    Args:
        events: (subject, event id), in order per subject.
    """
    for subject in sorted({subject for subject, _ in events}):
        await database.lock(work, ("counter", subject))
    for subject, event_id in sorted(events, key=lambda event: event[0]):
        database.last_id += 1
        _add(database, work, database.last_id, subject, event_id)


def _add(database: Database, work: Work, id_: int, subject: str, event_id: UUID) -> None:
    seq = (database.get(work, ("counter", subject)) or 0) + 1
    database.write(work, ("counter", subject), seq)
    headers = encode_headers(event_id=event_id, source=SOURCE, event_type=EVENT_TYPE, subject=subject, time=START)
    row = OutboxRow(shard_of(subject), id_, seq, subject.partition("/")[2], headers, b"{}")
    database.write(work, ("outbox", id_), row)
    database.note(work, "write", subject, seq, event_id, f"id {id_}")


class MemoryOutbox:
    """See `protocols.OutboxStore`: each statement stands alone."""

    def __init__(self, database: Database, process: Process, leases: dict[int, Lease]) -> None:
        """Args: leases: those of the database, the same for all."""
        self._database = database
        self._process = process
        self._leases = leases

    async def claim_shards(self, holder: str) -> frozenset[int]:
        """See `OutboxStore.claim_shards`."""
        await self._travel()
        now = self._database.loop.time()
        free = [shard for shard, lease in self._leases.items() if lease.expires_at < now]
        for shard in free:
            self._leases[shard] = Lease(holder=holder, expires_at=now + LEASE.total_seconds())
        return frozenset(free)

    async def renew_shards(self, holder: str) -> frozenset[int]:
        """See `OutboxStore.renew_shards`."""
        await self._travel()
        ours = [shard for shard, lease in self._leases.items() if lease.holder == holder]
        for shard in ours:
            self._leases[shard].expires_at = self._database.loop.time() + LEASE.total_seconds()
        return frozenset(ours)

    async def release_shards(self, holder: str) -> None:
        """See `OutboxStore.release_shards`."""
        await self._travel()
        for shard, lease in self._leases.items():
            if lease.holder == holder:
                self._leases[shard] = Lease()

    async def read_rows(self, floors: Mapping[int, int], known: Collection[int], limit: int) -> list[OutboxRow]:
        """See `OutboxStore.read_rows`."""
        await self._travel()
        found = [row for row in self._rows() if row.id > floors.get(row.shard, row.id) and row.id not in known]
        taken: dict[int, int] = {}
        rows: list[OutboxRow] = []
        for row in found:
            taken[row.shard] = taken.get(row.shard, 0) + 1
            if taken[row.shard] <= limit:
                rows.append(row)
        await self._answer()
        return rows

    async def delete_rows(self, rows: Sequence[tuple[int, int]]) -> None:
        """See `OutboxStore.delete_rows`."""
        await self._travel()
        for _, id_ in rows:
            self._database.table("outbox").pop((id_,), None)
        await self._answer()

    async def draw_sample(self) -> Sample:
        """See `OutboxStore.draw_sample`."""
        await self._travel()
        last_id = self._database.last_id
        await self._travel()
        return Sample(last_id=last_id, xid=self._database.new_xid())

    async def raise_floors(self, sample: Sample, floors: Mapping[int, int]) -> dict[int, int] | None:
        """See `OutboxStore.raise_floors`."""
        await self._travel()
        if self._database.oldest_running() <= sample.xid:
            return None
        raised: dict[int, int] = {}
        for shard, floor in floors.items():
            left = [row.id - 1 for row in self._rows() if row.shard == shard and row.id > floor]
            raised[shard] = max(floor, min([sample.last_id, *left]))
        await self._answer()
        return raised

    async def find_below(self, floors: Mapping[int, int]) -> list[tuple[int, int]]:
        """See `OutboxStore.find_below`."""
        await self._travel()
        below = [(row.shard, row.id) for row in self._rows() if row.id <= floors.get(row.shard, -1)]
        self._database.history.below_floor += len(below)
        return below

    async def find_oldest_age(self) -> float:
        """See `OutboxStore.find_oldest_age`."""
        return 0.0

    async def close(self) -> None:
        """See `OutboxStore.close`."""

    def _rows(self) -> list[OutboxRow]:
        return [row for _, row in sorted(self._database.table("outbox").items()) if row is not GONE]

    async def _travel(self) -> None:
        await self._database.travel(self._process)

    async def _answer(self) -> None:
        """The way back of an answer, on which the process may be stopped or the connection lost."""
        database = self._database
        if database.loop.chance.random() < 0.3:
            await database.loop.wait(database.loop.chance.random() * 0.02)
        if database.away or (database.trouble and database.loop.chance.random() < database.trouble):
            raise Unavailable(f"the connection to {database.name} broke")


def new_leases() -> dict[int, Lease]:
    """Of every shard, free."""
    return {shard: Lease() for shard in range(SHARDS)}
