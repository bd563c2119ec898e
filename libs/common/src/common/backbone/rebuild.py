"""Making a projection anew from the topics, while the service goes on, and without a word to anybody.

The handlers write temporary tables of the same names, in a session that can reach no other table: so nothing is
published, called or sent, whatever a handler tries. In the end the consumers are held for a moment, what they applied
meanwhile is applied here too, and the live rows that differ are replaced, in one transaction. Until then nothing has
changed, and a fault leaves the live tables as they are.
"""

import logging
from collections.abc import Collection, Mapping, Sequence

from common.backbone.decoding import decode_record
from common.backbone.operations import Operation, finish_operation, hold_operation
from common.backbone.parking import note_action
from common.backbone.projections import Projection
from common.backbone.protocols import Delivery, Place
from common.backbone.reading import KafkaReading, open_reading, read_range
from common.backbone.shadow import Shadow, open_shadow
from common.database import Database
from common.errors import Refused
from common.settings import KafkaSettings
from common.transaction import Origin
from contracts.topics import topic_name

_log = logging.getLogger(__name__)
_MAX_ROUNDS = 20
_MAX_AHEAD = 200_000
"""Records read before the service itself applied them: what is parked, and what came in the last moments."""


async def rebuild_projection(
    database: Database,
    kafka: KafkaSettings,
    operation: Operation,
    projection: Projection,
    *,
    service: str,
    sources: Sequence[str],
) -> None:
    """Read all topics from their start into shadows of the projection's tables, then replace what differs.

    Subjects of which the topics no longer hold every event that was applied are left as they are.

    Raises:
        Refused: nothing was read yet, too much is parked, or the projection is none.
        Unavailable: the database or Kafka is away; it is begun anew.
        OperationLost: another process carries it out.
        Exception: of a handler; nothing was changed.
    """
    producers = {topic_name(source, kafka.topic_prefix): source for source in sources}
    async with open_shadow(database, projection, service=service) as shadow:
        rebuild = Rebuild(database, shadow, operation, producers)
        async with shadow.begin(rebuild.origin) as tx:
            places = await shadow.list_positions(tx, producers)
        if not places:
            raise Refused("no topic was read yet: there is nothing to rebuild from")
        async with open_reading(kafka, places) as log:
            for _ in range(_MAX_ROUNDS):
                await rebuild.read_on(log, places)
                if await rebuild.replace(projection):
                    return
    raise Refused(f"{_MAX_ROUNDS} rounds did not catch up with the service: ask again at a quieter time")


class Rebuild:
    """One rebuild: how far it has read, and what it has read before the service itself applied it."""

    def __init__(
        self,
        database: Database,
        shadow: Shadow,
        operation: Operation,
        producers: Mapping[str, str],
    ) -> None:
        """Args: producers: producing service by topic."""
        self.origin = Origin(actor=operation.actor)
        self._database = database
        self._shadow = shadow
        self._operation = operation
        self._producers = producers
        self._read: dict[Place, int] = {}
        self._ahead: list[Delivery] = []
        self._records = 0

    async def read_on(self, log: KafkaReading, places: Collection[Place]) -> None:
        """Everything up to the present end of the topics."""
        bounds = await log.find_bounds(places)
        ranges = {place: (self._read.get(place, first), end) for place, (first, end) in bounds.items()}
        async for records in read_range(log, ranges):
            async with self._database.begin(self.origin) as tx:
                await hold_operation(tx, self._operation)
            items = [decode_record(record, self._producers) for record in records]
            behind = {each.stream for each in self._ahead}
            async with self._shadow.begin(self.origin) as tx:
                deliveries = [item for item in items if isinstance(item, Delivery)]
                self._ahead += await self._shadow.apply(tx, deliveries, behind=behind)
            self._records += len(records)
            if len(self._ahead) > _MAX_AHEAD:
                raise Refused(f"more than {_MAX_AHEAD} records are parked or not read yet: redrive them first")
        self._read = {place: end for place, (_, end) in ranges.items()}

    async def replace(self, projection: Projection) -> bool:
        """Replace what differs, if we have read all that the service has; else nothing happens."""
        async with self._shadow.hold_consumers(self.origin, self._producers) as tx:
            live = await self._shadow.list_positions(tx, self._producers)
            if any(position.next_offset > self._read.get(place, 0) for place, position in live.items()):
                return False
            # What is still ahead after this is parked, and its redrive will come to the tables as they are then.
            await self._shadow.apply(tx, self._ahead)
            changed, alone = await self._shadow.replace_live(tx, self._producers.values())
            await self._shadow.leave(tx)
            names = {"source": "projection", "subject": projection.name}
            actor, reason = self._operation.actor, self._operation.reason
            await note_action(tx, names, "rebuild", actor=actor, reason=reason)
            detail = (
                f"{self._records} records were read; {sum(changed.values())} rows differed and were replaced;"
                f" {alone} subjects were left as they are, since the topics no longer hold all of their events"
            )
            result = {"detail": detail, "records": self._records, "changed": changed, "left_alone": alone}
            await finish_operation(tx, self._operation, "done", result)
            _log.info("rebuilt %s", projection.name, extra=result)
            return True
