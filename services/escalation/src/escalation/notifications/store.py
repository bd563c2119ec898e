"""All SQL of notifications. Due times run by `common.clock`; leases, which processes compare, by the database's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from escalation.notifications.domain import Attempt, Notification, State
from escalation.notifications.tables import notification as table

_COLUMNS = tuple(column.name for column in table.columns if not column.name.startswith("lease_"))
_NAMES = ", ".join(_COLUMNS)

_ADD = text(f"""
    insert into notification ({_NAMES})
    select {_NAMES} from jsonb_populate_recordset(null::notification, cast(:rows as jsonb)) order by notification_id
""")  # noqa: S608 - own names
_LOCK = text(f"select {_NAMES} from notification where notification_id = :id for update").columns(  # noqa: S608 - own names
    facts=JSONB
)
_LIST = text(f"""
    select {_NAMES} from notification
    where (cast(:ticket_id as uuid) is null or ticket_id = :ticket_id)
      and (cast(:run_id as uuid) is null or run_id = :run_id)
      and (cast(:state as text) is null or state = :state)
      and notification_id > :after
    order by notification_id limit :limit
""").columns(facts=JSONB)  # noqa: S608 - own names
_LIST_ATTEMPTS = text("""
    select notification_id, attempt, at, fault from notification_attempt
    where notification_id = any(cast(:ids as uuid[])) order by notification_id, attempt
""")
# A lease that was given up or has ended belongs to nobody; the row of a message is never claimed: calls carry those.
_CLAIM = text(f"""
    update notification as claimed set lease_until = clock_timestamp() + :lease, lease_holder = :holder
    from unnest(cast(:channels as text[]), cast(:limits as int[])) as lane (channel, room)
    cross join lateral (
      select notification_id from notification
      where channel = lane.channel and state = 'pending' and due_at <= :now
        and (lease_until is null or lease_until < clock_timestamp())
      order by due_at limit lane.room for update skip locked
    ) as due
    where claimed.notification_id = due.notification_id
    returning {", ".join(f"claimed.{name}" for name in _COLUMNS)}
""").columns(facts=JSONB)  # noqa: S608 - own names
_LOCK_CLAIMED = text(f"""
    select {_NAMES} from notification where notification_id = :id and lease_holder = :holder for update
""").columns(facts=JSONB)  # noqa: S608 - own names
_SETTLE = text("""
    update notification set state = :state, attempts = :attempts, fault = :fault, due_at = :due_at,
      ended_at = :ended_at, lease_until = null, lease_holder = null
    where notification_id = :notification_id
""")
_ADD_ATTEMPT = text("""
    insert into notification_attempt (notification_id, attempt, at, fault)
    values (:notification_id, :attempt, :at, :fault)
""")
_CANCEL = text("""
    update notification set state = 'cancelled', ended_at = :now where notification_id in (
      select notification_id from notification
      where run_id = any(cast(:run_ids as uuid[])) and state = 'pending' order by notification_id for update
    )
    returning notification_id
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A notification that is ours until its lease ends: `holder` proves it."""

    notification: Notification
    holder: UUID

    @property
    def lane(self) -> str:
        """By which channel it leaves."""
        return self.notification.channel.value


async def add_notifications(connection: AsyncConnection, notifications: Sequence[Notification]) -> None:
    """Write down what shall be said."""
    await connection.execute(_ADD, {"rows": msgspec.json.encode(notifications).decode()})


async def find_locked(tx: Transaction, notification_id: UUID) -> Notification | None:
    """One notification, locked; None where there is none."""
    row = (await tx.connection.execute(_LOCK, {"id": notification_id})).mappings().one_or_none()
    return _read(row) if row else None


async def claim_due(tx: Transaction, *, room: Mapping[str, int], holder: UUID, lease: timedelta) -> list[Claimed]:
    """Take what is due by these channels and nobody is at, first due first.

    Args:
        room: how many at most, by channel.
        holder: a new id for each claim.
    """
    values = {
        "channels": list(room),
        "limits": list(room.values()),
        "now": tx.now,
        "lease": lease,
        "holder": holder,
    }
    rows = (await tx.connection.execute(_CLAIM, values)).mappings()
    return [Claimed(notification=_read(row), holder=holder) for row in rows]


async def find_claimed(tx: Transaction, claimed: Claimed) -> Notification | None:
    """The notification as it is now, locked; None where the lease ended and somebody else took it."""
    key = {"id": claimed.notification.notification_id, "holder": claimed.holder}
    row = (await tx.connection.execute(_LOCK_CLAIMED, key)).mappings().one_or_none()
    return _read(row) if row else None


async def save_attempt(connection: AsyncConnection, notification: Notification, attempt: Attempt) -> None:
    """Keep an attempt and what became of the notification by it, which gives its lease back."""
    await connection.execute(
        _SETTLE,
        {
            "notification_id": notification.notification_id,
            "state": notification.state.value,
            "attempts": notification.attempts,
            "fault": notification.fault,
            "due_at": notification.due_at,
            "ended_at": notification.ended_at,
        },
    )
    await connection.execute(
        _ADD_ATTEMPT,
        {
            "notification_id": attempt.notification_id,
            "attempt": attempt.attempt,
            "at": attempt.at,
            "fault": attempt.fault,
        },
    )


async def cancel_pending(tx: Transaction, run_ids: Sequence[UUID]) -> list[UUID]:
    """Cancel what these runs still have to say; returns which that was."""
    rows = await tx.connection.scalars(_CANCEL, {"run_ids": list(run_ids), "now": tx.now})
    return list(rows)


async def list_page(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    run_id: UUID | None,
    state: State | None,
    after: UUID,
    limit: int,
) -> list[Notification]:
    """Notifications behind an id, oldest first, that fit every filter given."""
    values = {"ticket_id": ticket_id, "run_id": run_id, "state": state, "after": after, "limit": limit}
    return [_read(row) for row in (await connection.execute(_LIST, values)).mappings()]


async def list_attempts(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    """The attempts of these notifications in order; one without any is absent."""
    found: dict[UUID, list[Attempt]] = {}
    for row in (await connection.execute(_LIST_ATTEMPTS, {"ids": list(ids)})).mappings():
        attempt = msgspec.convert(dict(row), Attempt)
        found.setdefault(attempt.notification_id, []).append(attempt)
    return found


def _read(row: RowMapping) -> Notification:
    return msgspec.convert(dict(row), Notification)
