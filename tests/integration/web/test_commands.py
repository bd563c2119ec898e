"""Commands: one transaction each, answered after its commit."""

from sqlalchemy import text

from tests.integration.web.conftest import Notes


async def test_a_command_answers_with_its_version_and_event(notes: Notes) -> None:
    """201 with ETag and Location, and the event is durable under the number that the answer names."""
    answer = await notes.http.post("/v1/notes", json={"text": "hello"}, headers={"idempotency-key": "k1"})
    assert answer.status_code == 201, answer.text
    note_id = answer.json()["id"]
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["support-event"] == f"notes ticket/{note_id} 1"
    async with notes.database.read() as connection:
        assert await connection.scalar(text("select count(*) from outbox")) == 1
    shown = await notes.http.get(f"/v1/notes/{note_id}")
    assert shown.json() == answer.json()
