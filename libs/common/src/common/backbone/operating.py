"""The worker's part in what operators ask for: it has Kafka at hand, and time.

An operation changes nothing until its last transaction, in which it is also finished; so one whose process dies is
begun anew by another, and one that is refused or fails has left no trace.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from common.backbone import metrics
from common.backbone.operations import Operation, OperationLost, claim_operation, finish_operation, tell_operation
from common.backbone.projections import Projection
from common.backbone.rebuild import rebuild_projection
from common.backbone.replay import replay_topic
from common.backbone.resync import resync_subject
from common.database import Database
from common.errors import Refused, Unavailable
from common.settings import KafkaSettings
from common.transaction import Origin

_log = logging.getLogger(__name__)
_EVERY_S = 1.0
_MAX_DETAIL = 2000
_KEPT = text(
    "select (select min(parked_at) from parked_subject) as parked_at, (select count(*) from poison_record) as poison"
)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """What carrying out an operation takes."""

    database: Database
    kafka: KafkaSettings
    service: str
    sources: Sequence[str]
    projections: Sequence[Projection]

    @property
    def origin(self) -> Origin:
        """In whose name operations are claimed and settled; each is carried out in its asker's."""
        return Origin(actor=f"service:{self.service}")


async def run_operations(operator: Operator, stop: asyncio.Event) -> None:
    """Carry out what is asked for, one at a time, until `stop` is set; what is under way then is left to another."""
    while not stop.is_set():
        try:
            found = await operate_next(operator)
            await _measure(operator.database)
        except Unavailable as absent:
            _log.warning("operations wait", extra={"cause": absent.detail})
            found = False
        if not found:
            await _pause(stop)


async def operate_next(operator: Operator) -> bool:
    """Carry out the oldest operation that waits. False where none does.

    Raises:
        Unavailable: the database or Kafka is away; nothing was changed, and it is tried again when its lease is over.
    """
    async with operator.database.begin(operator.origin) as tx:
        operation = await claim_operation(tx)
        if operation is not None and operation.exhausted:
            detail = f"given up: {operation.attempts - 1} processes did not come to its end"
            if operation.result.get("detail"):
                detail += f"; the last said: {operation.result['detail']}"
            await finish_operation(tx, operation, "failed", {"detail": _storable(detail)})
            return True
    if operation is None:
        return False
    try:
        await _carry_out(operator, operation)
    except OperationLost:
        _log.warning("another process took operation %s", operation.id)
    except Unavailable as absent:
        await _tell(operator, operation, absent.detail)
        raise
    except Refused as refusal:
        await _settle(operator, operation, "refused", refusal.detail)
    except Exception as failure:
        _log.exception("operation %s failed", operation.id)
        await _settle(operator, operation, "failed", f"{type(failure).__name__}: {failure}")
    return True


async def _carry_out(operator: Operator, operation: Operation) -> None:
    match operation.kind:
        case "resync":
            await resync_subject(operator.database, operator.kafka, operation)
        case "replay":
            await replay_topic(operator.database, operator.kafka, operation)
        case "rebuild":
            projection = next(
                (each for each in operator.projections if each.name == operation.target["projection"]), None
            )
            if projection is None:
                raise Refused(f"this release of {operator.service} has no projection {operation.target['projection']}")
            await rebuild_projection(
                operator.database,
                operator.kafka,
                operation,
                projection,
                service=operator.service,
                sources=operator.sources,
            )
        case unknown:
            raise Refused(f"this release of {operator.service} does not know how to {unknown}")


async def _settle(operator: Operator, operation: Operation, outcome: str, detail: str) -> None:
    try:
        async with operator.database.begin(operator.origin) as tx:
            await finish_operation(tx, operation, outcome, {"detail": _storable(detail)})
    except OperationLost:
        _log.warning("another process took operation %s", operation.id)


async def _tell(operator: Operator, operation: Operation, detail: str) -> None:
    """Where it is the database that is away, nobody can be told."""
    with suppress(Unavailable):
        async with operator.database.begin(operator.origin) as tx:
            await tell_operation(tx, operation, _storable(detail))


def _storable(detail: str) -> str:
    return detail.replace("\x00", "")[:_MAX_DETAIL]


async def _measure(database: Database) -> None:
    async with database.read() as connection:
        kept = (await connection.execute(_KEPT)).one()
    metrics.poison_kept.set(kept.poison)
    age = database.clock.now() - kept.parked_at if kept.parked_at else timedelta(0)
    metrics.oldest_parked.set(max(0.0, age.total_seconds()))


async def _pause(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_EVERY_S):
            await stop.wait()
    except TimeoutError:
        return
