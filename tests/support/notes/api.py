"""Routes of every kind that the edge knows."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy import text

from common.errors import Conflict, InvalidInput, NotFound, StaleVersion
from common.ids import new_id
from common.transaction import Transaction
from common.web import (
    CommandModel,
    CurrentConnection,
    CurrentDatabase,
    CurrentLongPoll,
    CurrentTransaction,
    Cursor,
    IdempotencyKey,
    IfMatch,
    Limit,
    Page,
    ReadRoute,
    ResponseModel,
    TransactionalRoute,
    decode_cursor,
    encode_cursor,
    needs_scope,
    set_etag,
)
from contracts.intake import TicketPriorityChanged

commands = APIRouter(prefix="/v1/notes", route_class=TransactionalRoute)
queries = APIRouter(prefix="/v1/notes", route_class=ReadRoute)
may_write = needs_scope("tickets:write")
may_read = needs_scope("tickets:read")


class NoteText(CommandModel):
    """What a caller sends."""

    text: Annotated[str, Field(min_length=1, max_length=200)]
    tags: Annotated[tuple[str, ...], Field(max_length=5)] = ()


class Note(ResponseModel):
    """What a caller gets."""

    id: UUID
    text: str
    version: int
    archived: bool


@commands.post("", status_code=201, dependencies=[may_write])
async def write_note(command: NoteText, tx: CurrentTransaction, key: IdempotencyKey, response: Response) -> Note:
    """Write a note; needs an idempotency key."""
    if key is None:
        raise InvalidInput("Idempotency-Key is required", code="idempotency_key_required")
    note = Note(id=new_id(), text=command.text, version=1, archived=False)
    await tx.connection.execute(
        text("insert into note (id, text, version, archived) values (:id, :text, :version, :archived)"),
        note.model_dump(),
    )
    _tell(tx, note.id)
    set_etag(response, note.version)
    response.headers["location"] = f"/v1/notes/{note.id}"
    return note


@commands.patch("/{note_id}", dependencies=[may_write])
async def change_note(
    note_id: UUID, command: NoteText, version: IfMatch, tx: CurrentTransaction, response: Response
) -> Note:
    """Change a note that is still as the caller saw it."""
    note = await _lock(tx, note_id)
    if note.version != version:
        raise StaleVersion
    changed = note.model_copy(update={"text": command.text, "version": version + 1})
    await tx.connection.execute(
        text("update note set text = :text, version = :version where id = :id"), changed.model_dump()
    )
    _tell(tx, note_id)
    set_etag(response, changed.version)
    return changed


@commands.post("/{note_id}/archive", dependencies=[may_write])
async def archive_note(note_id: UUID, tx: CurrentTransaction) -> Note:
    """Archive a note, once. The row is written before the refusal, so that a test sees it taken back."""
    note = await _lock(tx, note_id)
    await tx.connection.execute(
        text("update note set version = version + 1, archived = true where id = :id"), {"id": note_id}
    )
    _tell(tx, note_id)
    if note.archived:
        raise Conflict("the note is archived", code="already_archived")
    return note.model_copy(update={"version": note.version + 1, "archived": True})


@commands.post("/{note_id}/break", dependencies=[may_write])
async def break_note(note_id: UUID, tx: CurrentTransaction) -> Note:
    """Fail in a way that nobody foresaw."""
    await _lock(tx, note_id)
    raise RuntimeError("secret detail")


@queries.get("", dependencies=[may_read])
async def list_notes(connection: CurrentConnection, limit: Limit = 50, cursor: Cursor = None) -> Page[Note]:
    """All notes, the oldest first."""
    after = decode_cursor(cursor, UUID)
    rows = await connection.execute(
        text("select * from note where id > :after order by id limit :limit"),
        {"after": after[0] if after else UUID(int=0), "limit": limit + 1},
    )
    notes = [Note.model_validate(row) for row in rows.mappings()]
    following = encode_cursor(notes[limit - 1].id) if len(notes) > limit else None
    return Page[Note](items=notes[:limit], next_cursor=following)


@queries.get("/next", dependencies=[may_read])
async def wait_for_note(
    database: CurrentDatabase, poll: CurrentLongPoll, wait_s: Annotated[int, Query(ge=0, le=30)] = 0
) -> Page[Note]:
    """The newest note, as soon as there is one."""

    async def look() -> list[Note]:
        async with database.read() as connection:
            rows = await connection.execute(text("select * from note order by id desc limit 1"))
            return [Note.model_validate(row) for row in rows.mappings()]

    return Page[Note](items=await poll.until(look, within=timedelta(seconds=wait_s)))


@queries.get("/{note_id}", dependencies=[may_read])
async def get_note(note_id: UUID, connection: CurrentConnection, response: Response) -> Note:
    """One note."""
    rows = await connection.execute(text("select * from note where id = :id"), {"id": note_id})
    row = rows.mappings().first()
    if row is None:
        raise NotFound(f"there is no note {note_id}")
    note = Note.model_validate(row)
    set_etag(response, note.version)
    return note


async def _lock(tx: Transaction, note_id: UUID) -> Note:
    rows = await tx.connection.execute(text("select * from note where id = :id for update"), {"id": note_id})
    row = rows.mappings().first()
    if row is None:
        raise NotFound(f"there is no note {note_id}")
    return Note.model_validate(row)


def _tell(tx: Transaction, note_id: UUID) -> None:
    tx.add_events(
        f"ticket/{note_id}", [TicketPriorityChanged(ticket_id=note_id, old="low", new="high", reason="matrix")]
    )
