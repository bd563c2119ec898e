"""What operators ask and do over REST: outbox, consumers, parked subjects. `frontline ops` speaks to these routes."""

import base64
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from common.backbone import missing, parking, poison, status
from common.backbone.protocols import Place, Record
from common.errors import Conflict, InvalidInput
from common.web.access import needs_scope
from common.web.cursors import decode_cursor, encode_cursor
from common.web.dependencies import CurrentConnection, CurrentTransaction
from common.web.models import CommandModel, Cursor, Limit, Page, ResponseModel
from common.web.routes import ReadRoute, TransactionalRoute

_SHOWN_EVENTS = 200
_SHOWN_RUNS = 100

queries = APIRouter(
    prefix="/v1/admin", route_class=ReadRoute, dependencies=[needs_scope("ops:read")], tags=["operations"]
)
commands = APIRouter(
    prefix="/v1/admin", route_class=TransactionalRoute, dependencies=[needs_scope("ops:write")], tags=["operations"]
)

ROUTERS = (queries, commands)

Source = Annotated[str, Path(pattern=r"^[a-z]{1,32}$", description="The producing service")]
Kind = Annotated[str, Path(pattern=r"^[a-z_]{1,32}$", description="The part of the subject before the slash")]
SubjectId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$", description="The part behind it")]
Topic = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,249}$", description="The topic that holds the record")]
Partitioned = Annotated[int, Path(ge=0, lt=2**31, description="Its partition")]
Offset = Annotated[int, Path(ge=0, lt=2**63, description="Its offset")]


class OutboxShard(ResponseModel):
    """One shard of the outbox; `held` says whether a relay owns it now."""

    shard: int
    holder: str
    epoch: int
    expires_at: datetime
    held: bool
    waiting: int


class Outbox(ResponseModel):
    """The way out to Kafka. `oldest_at` is null where nothing waits."""

    waiting: int
    oldest_at: datetime | None
    oldest_age_s: float
    shards: list[OutboxShard]


class Partition(ResponseModel):
    """One partition that the service reads, as of its last batch."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int
    lag: int
    epoch: int
    owner: str
    bootstrap: bool
    updated_at: datetime


class Consumers(ResponseModel):
    """The way in from Kafka. `parked` counts subjects by reason."""

    partitions: list[Partition]
    parked: dict[str, int]
    poison_records: int


class Parked(ResponseModel):
    """One subject whose events wait because one of them could not be applied."""

    source: str
    subject: str
    reason: Annotated[str, Field(description="failed, gap, fork, undecodable; more may come")]
    error: str
    attempts: int
    next_attempt_at: datetime | None
    parked_at: datetime
    events: int


class KafkaRecord(ResponseModel):
    """A record as it came. `value` is text where it is UTF-8, else `value_base64` holds it."""

    topic: str
    partition: int
    offset: int
    headers: dict[str, str]
    value: str | None
    value_base64: str | None


class ParkedRecord(KafkaRecord):
    """A record that waits; `seq` is 0 where it could not be read."""

    seq: int


class Run(ResponseModel):
    """Numbers that follow each other."""

    first: int
    last: int


class ParkedDetails(Parked):
    """A parked subject with the first of what waits behind it, and the numbers that are missing in between."""

    records: list[ParkedRecord]
    missing: Annotated[list[Run], Field(description="The first hundred runs of missing numbers")]


class Poison(KafkaRecord):
    """A record that no subject could be found for. `key_base64` is null where it has no key."""

    key_base64: str | None
    error: str
    seen_at: datetime


class Redrive(CommandModel):
    """`over_gap`: the missing events are lost; go on with the first one that is here."""

    reason: Annotated[str, Field(max_length=500)] = ""
    over_gap: bool = False


class Discard(CommandModel):
    """Give up the first `count` records that wait; why is kept.

    `first` is the first of them as it was seen, written `topic/partition/offset`: if another stands first by now,
    nothing is given up. `first_seq`, its number, says the same less exactly, for records may share one. One of the two
    is required.
    """

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]
    first: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}/-?[0-9]{1,10}/[0-9]{1,18}$")] | None = None
    first_seq: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    count: Annotated[int, Field(ge=1, le=10_000)] = 1


class DiscardPoison(CommandModel):
    """Be done with a record that no subject could be found for; why is kept."""

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class RetryPoison(CommandModel):
    """Read a record again, with today's code."""

    reason: Annotated[str, Field(max_length=500)] = ""


class PoisonRetried(ResponseModel):
    """Whose event it is: it waits behind that parked subject, which is tried at once."""

    source: str
    subject: str


class PoisonDiscarded(ResponseModel):
    """The record that is no longer listed."""

    topic: str
    partition: int
    offset: int


class Acted(ResponseModel):
    """What was done."""

    source: str
    subject: str
    action: Literal["redrive", "discard"]
    events: int


@queries.get("/outbox")
async def get_outbox(connection: CurrentConnection) -> Outbox:
    """What waits to be published, and who publishes it."""
    return Outbox.model_validate(asdict(await status.get_outbox_status(connection)))


@queries.get("/consumers")
async def get_consumers(connection: CurrentConnection) -> Consumers:
    """How far the service has read each topic, and what it could not apply."""
    return Consumers.model_validate(asdict(await status.get_consumer_status(connection)))


@queries.get("/parked")
async def list_parked(
    connection: CurrentConnection,
    reason: Annotated[str, Query(max_length=32, pattern=r"^[a-z_]*$")] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Parked]:
    """Parked subjects."""
    after = decode_cursor(cursor, str, str) or ("", "")
    found = await parking.list_parked(connection, after=after, reason=reason, limit=limit + 1)
    shown = [Parked.model_validate(asdict(subject)) for subject in found[:limit]]
    following = encode_cursor(shown[-1].source, shown[-1].subject) if len(found) > limit else None
    return Page[Parked](items=shown, next_cursor=following)


@queries.get("/parked/{source}/{kind}/{subject_id}")
async def get_parked(source: Source, kind: Kind, subject_id: SubjectId, connection: CurrentConnection) -> ParkedDetails:
    """One parked subject and the first records behind it."""
    parked, events = await parking.get_parked(
        connection, source=source, subject=f"{kind}/{subject_id}", limit=_SHOWN_EVENTS
    )
    records = [ParkedRecord(seq=event.seq, **_shown(event.record)) for event in events]
    return ParkedDetails(records=records, missing=await _list_missing(connection, parked), **asdict(parked))


@queries.get("/poison")
async def list_poison(connection: CurrentConnection, limit: Limit = 50, cursor: Cursor = None) -> Page[Poison]:
    """Records that could not even be parked, the newest first."""
    after = decode_cursor(cursor, datetime, int, str)
    found = await poison.list_poison(connection, after=after, limit=limit + 1)
    shown = found[:limit]
    items = [_poison(each) for each in shown]
    following = encode_cursor(*shown[-1].sort_key) if len(found) > limit else None
    return Page[Poison](items=items, next_cursor=following)


@queries.get("/poison/{topic}/{partition}/{offset}")
async def get_poison(topic: Topic, partition: Partitioned, offset: Offset, connection: CurrentConnection) -> Poison:
    """One record that could not even be parked."""
    return _poison(await poison.get_poison(connection, place=Place(topic, partition), offset=offset))


@commands.post("/poison/{topic}/{partition}/{offset}/retry")
async def retry_poison(
    topic: Topic, partition: Partitioned, offset: Offset, command: RetryPoison, tx: CurrentTransaction
) -> PoisonRetried:
    """After a mend: read the record again. Where it names its subject now, it waits behind that one and is applied."""
    source, subject = await poison.retry_poison(
        tx, place=Place(topic, partition), offset=offset, actor=tx.origin.actor, reason=command.reason
    )
    return PoisonRetried(source=source, subject=subject)


@commands.post("/poison/{topic}/{partition}/{offset}/discard")
async def discard_poison(
    topic: Topic, partition: Partitioned, offset: Offset, command: DiscardPoison, tx: CurrentTransaction
) -> PoisonDiscarded:
    """Be done with a poison record, so that its alarm can end; it is kept with the reason."""
    await poison.discard_poison(
        tx, place=Place(topic, partition), offset=offset, actor=tx.origin.actor, reason=command.reason
    )
    return PoisonDiscarded(topic=topic, partition=partition, offset=offset)


@commands.post("/parked/{source}/{kind}/{subject_id}/redrive")
async def redrive_parked(
    source: Source, kind: Kind, subject_id: SubjectId, command: Redrive, tx: CurrentTransaction
) -> Acted:
    """Try a parked subject again at once."""
    subject = f"{kind}/{subject_id}"
    await parking.redrive_parked(
        tx, source=source, subject=subject, actor=tx.origin.actor, reason=command.reason, over_gap=command.over_gap
    )
    parked, _ = await parking.get_parked(tx.connection, source=source, subject=subject, limit=0)
    return Acted(source=source, subject=subject, action="redrive", events=parked.events)


@commands.post("/parked/{source}/{kind}/{subject_id}/discard")
async def discard_parked(
    source: Source, kind: Kind, subject_id: SubjectId, command: Discard, tx: CurrentTransaction
) -> Acted:
    """Give up the first events of a parked subject, with a reason that is kept."""
    subject = f"{kind}/{subject_id}"
    if command.first is None and command.first_seq is None:
        raise InvalidInput("say which record you saw first", pointers=[("/first", "or /first_seq is required")])
    count = await parking.discard_parked(
        tx,
        source=source,
        subject=subject,
        actor=tx.origin.actor,
        reason=command.reason,
        first=_place(command.first) if command.first else None,
        first_seq=command.first_seq,
        count=command.count,
    )
    return Acted(source=source, subject=subject, action="discard", events=count)


async def _list_missing(connection: AsyncConnection, parked: parking.ParkedSubject) -> list[Run]:
    try:
        found = await missing.find_missing(connection, (parked.source, parked.subject))
    except Conflict:
        return []  # nothing waits behind it, so nothing can be missing before it
    return [Run(first=first, last=last) for first, last in found.numbers[:_SHOWN_RUNS]]


def _place(record: str) -> tuple[Place, int]:
    topic, partition, offset = record.split("/")
    return Place(topic, int(partition)), int(offset)


def _poison(found: poison.PoisonRecord) -> Poison:
    key = found.record.key
    return Poison(
        error=found.error,
        seen_at=found.seen_at,
        key_base64=None if key is None else base64.b64encode(key).decode(),
        **_shown(found.record),
    )


def _shown(record: Record) -> dict[str, Any]:
    value = record.value
    text = _text_of(value)
    return {
        "topic": record.place.topic,
        "partition": record.place.partition,
        "offset": record.offset,
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers},
        "value": text,
        "value_base64": base64.b64encode(value).decode() if value is not None and text is None else None,
    }


def _text_of(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None
