"""All SQL of tickets but their opening."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, Select, Uuid, any_, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import NotFound
from contracts.envelope import Event
from contracts.words import SkillNeed
from intake.tickets.domain import (
    CancelReason,
    HoldReason,
    Priority,
    ResolutionCode,
    RoutingState,
    ShownClock,
    ShownHandoff,
    Status,
    Ticket,
)
from intake.tickets.tables import kept_event, ticket

_FIXED = frozenset({"id", "number", "requester_id", "source_channel", "source_system", "external_ref", "created_at"})
_FIELDS = tuple(field.name for field in fields(Ticket))
_SAVED = tuple(name for name in _FIELDS if name not in _FIXED)
_MADE = ("sla_state", "handoff_state")
_SKILLS = list[SkillNeed]
_CLOCKS = dict[str, ShownClock]

_one = select(ticket).where(ticket.c.id == bindparam("id"))
_lock_one = _one.with_for_update()
# An array, because a list of parameters would be another statement for every length.
_lock_many = (
    select(ticket)
    .where(ticket.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    .order_by(ticket.c.id)
    .with_for_update()
)
_save = (
    update(ticket).where(ticket.c.id == bindparam("_id")).values({name: bindparam(name) for name in (*_SAVED, *_MADE)})
)
_resolved = (
    select(ticket.c.id, ticket.c.resolution_seq)
    .where(ticket.c.status == Status.RESOLVED, ticket.c.resolved_at < bindparam("before"))
    .order_by(ticket.c.created_at)
    .limit(bindparam("limit"))
)


def _select_follow_ups() -> Select[Any]:
    columns = ticket.c
    theirs = columns.requester_id == bindparam("person")
    steps = select(columns.id).where(theirs, columns.follow_up_of == bindparam("followed")).cte(recursive=True)
    further = select(columns.id).where(theirs, columns.follow_up_of == steps.c.id)
    ids = select(steps.union(further).c.id)
    return select(ticket).where(columns.id.in_(ids)).order_by(columns.number.desc())


_follow_ups = _select_follow_ups()


async def get_ticket(connection: AsyncConnection, ticket_id: UUID) -> Ticket:
    """The ticket as committed.

    Raises:
        NotFound: there is none of that id.
    """
    return _loaded((await connection.execute(_one, {"id": ticket_id})).mappings().one_or_none(), ticket_id)


async def lock_ticket(connection: AsyncConnection, ticket_id: UUID) -> Ticket:
    """The ticket, locked until the transaction ends.

    Raises:
        NotFound: there is none of that id.
    """
    return _loaded((await connection.execute(_lock_one, {"id": ticket_id})).mappings().one_or_none(), ticket_id)


async def lock_tickets(connection: AsyncConnection, ticket_ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Those of the tickets that exist, by id, locked in the order of their ids."""
    found = await connection.execute(_lock_many, {"ids": list(ticket_ids)})
    return {row["id"]: load(row) for row in found.mappings()}


async def find_by_ref(connection: AsyncConnection, system: str, external_ref: str) -> Ticket | None:
    """The ticket under a natural key."""
    wanted = select(ticket).where(
        ticket.c.source_system == system, ticket.c.external_ref == external_ref, ticket.c.external_ref != ""
    )
    row = (await connection.execute(wanted)).mappings().one_or_none()
    return load(row) if row else None


async def find_follow_ups(connection: AsyncConnection, ended: Ticket) -> list[Ticket]:
    """The tickets of the same requester that follow this one up, over any number of steps, the newest first.

    What somebody else opened as a follow-up is left out, with all that follows it.
    """
    found = await connection.execute(_follow_ups, {"followed": ended.id, "person": ended.requester_id})
    return [load(row) for row in found.mappings()]


async def list_resolved(connection: AsyncConnection, *, before: datetime, limit: int) -> Sequence[tuple[UUID, int]]:
    """(id, resolution_seq) of tickets that have stood resolved since before that time."""
    found = await connection.execute(_resolved, {"before": before, "limit": limit})
    return [(row.id, row.resolution_seq) for row in found]


async def save_ticket(connection: AsyncConnection, saved: Ticket) -> None:
    """Write a locked ticket back."""
    await connection.execute(_save, {"_id": saved.id, **_columns(saved)})


async def save_projections(connection: AsyncConnection, saved: Sequence[Ticket]) -> None:
    """Write back what other services' events changed on locked tickets, in one statement."""
    rows = [{"id": one.id} | {name: getattr(one, name) for name in _PROJECTED} | _made(one) for one in saved]
    await connection.execute(_SAVE_PROJECTIONS, {"rows": msgspec.json.encode(rows).decode()})


async def add_kept_events(connection: AsyncConnection, events: Sequence[tuple[UUID, Event]]) -> None:
    """Keep other services' events for the timelines of their tickets; one that is kept already stays as it is."""
    rows = [
        {
            "ticket_id": ticket_id,
            "source": event.source,
            "seq": event.seq,
            "event_id": event.id,
            "type": event.type,
            "occurred_at": event.time,
            "actor": event.actor,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
            "traceparent": event.traceparent,
            "data": event.data,
        }
        for ticket_id, event in events
    ]
    # A redrive gives events once more that were kept before their subject was parked.
    await connection.execute(insert(kept_event).on_conflict_do_nothing(), rows)


def load(row: RowMapping) -> Ticket:
    """A row as a ticket, trusted as it stands."""
    return Ticket(
        **{name: row[name] for name in _FIELDS if name not in _CONVERTED},
        status=Status(row["status"]),
        priority=Priority(row["priority"]),
        tags=tuple(row["tags"]),
        skills=tuple(msgspec.convert(row["skills"], _SKILLS)),
        hold_reason=HoldReason(row["hold_reason"]) if row["hold_reason"] else None,
        resolution_code=ResolutionCode(row["resolution_code"]) if row["resolution_code"] else None,
        cancel_reason=CancelReason(row["cancel_reason"]) if row["cancel_reason"] else None,
        routing_state=RoutingState(row["routing_state"]),
        handoff=msgspec.convert(row["handoff"], ShownHandoff) if row["handoff"] else None,
        sla=msgspec.convert(row["sla"], _CLOCKS),
    )


_CONVERTED = frozenset(
    {
        "status",
        "priority",
        "tags",
        "skills",
        "hold_reason",
        "resolution_code",
        "cancel_reason",
        "routing_state",
        "handoff",
        "sla",
    }
)


def _loaded(row: RowMapping | None, ticket_id: UUID) -> Ticket:
    if row is None:
        raise NotFound(f"there is no ticket {ticket_id}")
    return load(row)


def _columns(saved: Ticket) -> Mapping[str, object]:
    columns: dict[str, object] = {name: getattr(saved, name) for name in _SAVED}
    return (
        columns
        | _made(saved)
        | {
            "tags": list(saved.tags),
            "custom": dict(saved.custom),
            "skills": msgspec.to_builtins(saved.skills),
            "handoff": msgspec.to_builtins(saved.handoff),
            "sla": msgspec.to_builtins(saved.sla),
        }
    )


def _made(saved: Ticket) -> dict[str, object]:
    """The columns that repeat what stands in others, for the filters of the list."""
    return {"sla_state": saved.sla_state, "handoff_state": saved.handoff.state if saved.handoff else None}


_PROJECTED = {
    "status": "text",
    "moved_by": "text",
    "tier_required": "smallint",
    "resolved_at": "timestamptz",
    "reopen_count": "integer",
    "first_owner_id": "uuid",
    "owner_id": "uuid",
    "owner_tier": "smallint",
    "assignment_id": "uuid",
    "owner_event_id": "uuid",
    "routing_state": "text",
    "routing_event_id": "uuid",
    "queue_id": "uuid",
    "queue_event_id": "uuid",
    "escalation_level": "smallint",
    "escalation_tier": "smallint",
    "escalation_event_id": "uuid",
    "handoff": "jsonb",
    "sla": "jsonb",
    "updated_at": "timestamptz",
    "version": "integer",
}
"""What an event of another service may change of a ticket, with its type in the database."""
_COLUMNS = _PROJECTED | dict.fromkeys(_MADE, "text")
_SAVE_PROJECTIONS = text(
    f"""
    update ticket set {", ".join(f"{name} = given.{name}" for name in _COLUMNS)}
    from jsonb_to_recordset(cast(:rows as jsonb))
      as given(id uuid, {", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())})
    where ticket.id = given.id
    """  # noqa: S608 - the names are written above
)
