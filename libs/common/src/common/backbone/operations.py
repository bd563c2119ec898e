"""What operators ask of the workers: a row each, claimed by one process under a lease, kept with what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from common.ids import new_id
from common.transaction import Transaction

LEASE = timedelta(minutes=2)
_MAX_ATTEMPTS = 3
"""Processes that may die of one operation."""

_COLUMNS = "id, kind, target, actor, reason, requested_at, attempts, lease_until, finished_at, outcome, result"
# ruff: noqa: S608 - the names above, never anything from outside
_ADD = text(
    f"""
    insert into operation ({_COLUMNS}) values
      (:id, :kind, cast(:target as jsonb), :actor, :reason, :now, 0, null, null, '', '{{}}')
    returning {_COLUMNS}
    """
)
_FIND = text(f"select {_COLUMNS} from operation where id = :id")
_LIST = text(
    f"""
    select {_COLUMNS} from operation
    where cast(:requested_at as timestamptz) is null or (requested_at, id) < (:requested_at, :id)
    order by requested_at desc, id desc limit :limit
    """
)
_CLAIM = text(
    f"""
    update operation set lease_until = :until, attempts = attempts + 1 where id = (
      select id from operation where finished_at is null and (lease_until is null or lease_until < :now)
      order by requested_at limit 1 for update skip locked
    ) returning {_COLUMNS}
    """
)
_HOLD = text(
    """
    update operation set lease_until = :until
    where id = :id and attempts = :attempts and finished_at is null returning 1
    """
)
_TELL = text(
    """
    update operation set result = jsonb_build_object('detail', cast(:detail as text))
    where id = :id and attempts = :attempts and finished_at is null
    """
)
_FINISH = text(
    """
    update operation set finished_at = :now, outcome = :outcome, result = cast(:result as jsonb), lease_until = null
    where id = :id and attempts = :attempts and finished_at is null returning 1
    """
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Something asked for.

    Attributes:
        kind: "resync", "replay" or "rebuild".
        target: what it is about, by its kind.
        attempts: how often a process began it; names the present holder too.
        outcome: empty until it is finished, then "done", "refused" (it cannot be done; nothing was changed) or
            "failed" (a fault of ours; nothing was changed).
        result: what came of it; `detail` says it in a sentence, also of what keeps it from its end.
    """

    id: UUID
    kind: str
    target: Mapping[str, Any]
    actor: str
    reason: str
    requested_at: datetime
    attempts: int
    finished_at: datetime | None
    outcome: str
    result: Mapping[str, Any]

    @property
    def exhausted(self) -> bool:
        """Whether processes died of it too often to try again."""
        return self.attempts > _MAX_ATTEMPTS


class OperationLost(Exception):
    """Another process carries the operation out, or has finished it: stop at once, and write nothing."""


async def add_operation(tx: Transaction, kind: str, target: Mapping[str, object], *, reason: str) -> Operation:
    """Ask the workers for something, in the name of whoever acts."""
    values = {"id": new_id(), "kind": kind, "target": _json(target), "actor": tx.origin.actor, "reason": reason}
    return _operation((await tx.connection.execute(_ADD, {**values, "now": tx.now})).one())


async def get_operation(connection: AsyncConnection, operation_id: UUID) -> Operation:
    """One of them.

    Raises:
        NotFound: there is none with this id.
    """
    found = (await connection.execute(_FIND, {"id": operation_id})).one_or_none()
    if found is None:
        raise NotFound("there is no such operation")
    return _operation(found)


async def list_operations(
    connection: AsyncConnection, *, after: tuple[datetime, UUID] | None = None, limit: int = 100
) -> list[Operation]:
    """All of them, the newest first.

    Args:
        after: (requested at, id) of the last one seen.
    """
    requested_at, last = after or (None, None)
    found = await connection.execute(_LIST, {"requested_at": requested_at, "id": last, "limit": limit})
    return [_operation(row) for row in found]


async def claim_operation(tx: Transaction) -> Operation | None:
    """Take the oldest that waits, or whose process fell silent; None where there is none."""
    found = (await tx.connection.execute(_CLAIM, {"now": tx.now, "until": tx.now + LEASE})).one_or_none()
    return _operation(found) if found else None


async def hold_operation(tx: Transaction, operation: Operation) -> None:
    """Prolong the lease of one that is under way.

    Raises:
        OperationLost: it is no longer ours.
    """
    values = {"id": operation.id, "attempts": operation.attempts, "until": tx.now + LEASE}
    if (await tx.connection.execute(_HOLD, values)).one_or_none() is None:
        raise OperationLost


async def tell_operation(tx: Transaction, operation: Operation, detail: str) -> None:
    """Say what keeps it from its end; it stays ours as long as its lease runs, then it is begun anew."""
    values = {"id": operation.id, "attempts": operation.attempts, "detail": detail}
    await tx.connection.execute(_TELL, values)


async def finish_operation(tx: Transaction, operation: Operation, outcome: str, result: Mapping[str, object]) -> None:
    """Keep what came of it.

    Raises:
        OperationLost: it is no longer ours; roll back what was done for it in this transaction.
    """
    values = {"id": operation.id, "attempts": operation.attempts, "outcome": outcome, "result": _json(result)}
    if (await tx.connection.execute(_FINISH, {**values, "now": tx.now})).one_or_none() is None:
        raise OperationLost


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()


def _operation(row: Row[Any]) -> Operation:
    return Operation(
        id=row.id,
        kind=row.kind,
        target=row.target,
        actor=row.actor,
        reason=row.reason,
        requested_at=row.requested_at,
        attempts=row.attempts,
        finished_at=row.finished_at,
        outcome=row.outcome,
        result=row.result,
    )
