"""`frontline ops` on a real stack: what is lost is found, what is damaged is rebuilt. One story, in this order."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from devstack.stack import Stack
from devstack.state import read_state
from tests.integration.devstack.conftest import Command
from tests.support.eventually import eventually

pytestmark = pytest.mark.timeout(180)

# How many events each service tells of a new ticket, until somebody answers it: opened and assigned, and its clocks.
TOLD = {"intake": 2, "routing": 2, "escalation": 3}


def sql(command: Command, service: str, statement: str, *values: object) -> list[Any]:
    """Run one statement in a service's database."""

    async def run() -> list[Any]:
        state = read_state(Stack(command.folder).folder)
        assert state
        connection = await asyncpg.connect(state.postgres_url, database=f"frontline_{service}")
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    return asyncio.run(run())


def wait(command: Command, service: str, statement: str, *values: object) -> None:
    """Until a statement finds something."""

    async def found() -> bool:
        return bool(await asyncio.to_thread(sql, command, service, statement, *values))

    asyncio.run(eventually(found, within=30))


def open_ticket(command: Command, *, reader: str) -> str:
    """The id of a new ticket, of which this service has applied all that the others have to tell."""
    made = command.run("ticket", "open", "printer", "--json")
    ticket: str = json.loads(made.stdout)["id"]
    for source, last in TOLD.items():
        if source != reader:
            wait(
                command,
                reader,
                "select from subject_cursor where source = $1 and subject = $2 and last_seq = $3",
                source,
                f"ticket/{ticket}",
                last,
            )
    return ticket


def test_a_rebuild_and_a_replay_change_nothing_that_was_right(command: Command) -> None:
    command.run("up")
    open_ticket(command, reader="feedback")
    before = sql(command, "feedback", "select * from ticket_facts order by 1")
    rebuilt = command.run("ops", "rebuild", "feedback", "figures", "--reason", "a test").stderr
    assert "0 subjects were left as they are" in rebuilt
    replayed = command.run(
        "ops", "replay", "feedback", "intake", "--since", "2020-01-01T00:00:00", "--reason", "a test"
    ).stderr
    assert "partitions are set back by" in replayed
    assert sql(command, "feedback", "select * from ticket_facts order by 1") == before
    assert "rebuild" in command.run("ops", "asked", "--service", "feedback").stdout
    refused = command.run("ops", "rebuild", "feedback", "surveys", "--reason", "a test", expect=1).stderr
    assert "no such projection; it has figures, ownership" in refused
    refused = command.run("ops", "replay", "feedback", "intake", "--offset", "3", "--reason", "x", expect=1).stderr
    assert "an offset belongs to a partition" in refused


def test_missing_events_are_fetched_from_the_archive(command: Command, tmp_path: Path) -> None:
    subject = f"ticket/{open_ticket(command, reader='routing')}"
    number = 1000  # far behind what the ticket has told, as if all between were lost
    sql(
        command,
        "routing",
        "insert into parked_subject select source, subject, 'gap', 'lost', 4, null, now() from subject_cursor"
        " where subject = $1 and source = 'intake'",
        subject,
    )
    sql(
        command,
        "routing",
        "insert into parked_event select 'support.intake.v1', 0, 1000000, source, subject,"
        " $1, '\\x90', null, now() from parked_subject where subject = $2",
        number,
        subject,
    )
    lacking = command.run("ops", "resync", "routing", "intake", subject, "--reason", "a test", expect=1).stderr
    assert "are neither in the topic nor in the archive of intake" in lacking
    copy = tmp_path / "parked.jsonl"
    command.run("ops", "export", "routing", "--subject", f"intake:{subject}", "--output", str(copy))
    lines = [json.loads(line) for line in copy.read_text().splitlines()]
    assert (lines[0]["kind"], lines[-1]["kind"]) == ("parked_subject", "end")
    (planted,) = [line for line in lines if line.get("seq") == number]
    assert (planted["kind"], planted["headers"], planted["value_base64"]) == ("parked_event", [], None)
    shown = command.run("ops", "parked", "--service", "routing", "--subject", f"intake:{subject}").stderr
    assert "missing: " in shown
    record = "support.intake.v1/0/1000000"
    command.run("ops", "discard", "routing", "intake", subject, "--first", record, "--reason", "made by a test")
    assert "no parked subjects" in command.run("ops", "parked", "--service", "routing").stderr


def test_poison_is_shown_and_discarded(command: Command) -> None:
    sql(
        command,
        "routing",
        "insert into poison_record values ('support.intake.v1', 0, 77, 'k', '\\x90', 'x', 'no subject', now())",
    )
    where = "support.intake.v1/0/77"
    assert "77" in command.run("ops", "poison", "--service", "routing").stdout
    shown = json.loads(command.run("ops", "poison", "show", "routing", where, "--json").stdout)
    assert (shown["value"], shown["key_base64"]) == ("x", "aw==")
    refused = command.run("ops", "poison", "retry", "routing", where, expect=1).stderr
    assert "it still cannot be told whom the record is about" in refused
    command.run("ops", "poison", "discard", "routing", where, "--reason", "a stranger's")
    assert "no poison records" in command.run("ops", "poison").stderr
    wrong = command.run("ops", "poison", "show", "routing", "nonsense", expect=1).stderr
    assert "reads TOPIC/PARTITION/OFFSET" in wrong
