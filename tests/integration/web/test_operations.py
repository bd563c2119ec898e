"""What operators see and do over REST, on rows as the consumer leaves them."""

from uuid import UUID

from sqlalchemy import text

from common.transaction import Origin
from contracts.envelope import encode_headers
from tests.integration.web.conftest import START, Notes
from tests.integration.web.test_problems import check_problem

SUBJECT = "ticket/0190d3c5-0000-7000-8000-000000000001"
PATH = f"/v1/admin/parked/intake/{SUBJECT}"


async def park(notes: Notes, events: int) -> None:
    """Park a subject with some events behind it."""
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await tx.connection.execute(
            text(
                "insert into parked_subject (source, subject, reason, error, attempts, parked_at)"
                " values ('intake', :subject, 'failed', 'ValueError: no', 4, :now)"
            ),
            {"subject": SUBJECT, "now": tx.now},
        )
        for seq in range(1, events + 1):
            headers = encode_headers(
                event_id=UUID(int=seq),
                source="/frontline/test/intake",
                event_type="support.ticket.created.v1",
                subject=SUBJECT,
                time=START,
            )
            await tx.connection.execute(
                text(
                    "insert into parked_event (topic, partition, position, source, subject, seq, headers, payload,"
                    " parked_at) values ('support.intake.v1', 0, :seq, 'intake', :subject, :seq, :headers, :payload,"
                    " :now)"
                ),
                {"seq": seq, "subject": SUBJECT, "headers": headers, "payload": b'{"a":1}', "now": tx.now},
            )


async def test_parked_subjects_are_shown(notes: Notes) -> None:
    """In the list with their count, and one by one with what waits."""
    await park(notes, 2)
    ops = notes.key("ops:read")
    [parked] = (await notes.http.get("/v1/admin/parked", headers=ops)).json()["items"]
    assert (parked["source"], parked["subject"], parked["reason"], parked["events"]) == ("intake", SUBJECT, "failed", 2)
    assert (await notes.http.get("/v1/admin/parked?reason=gap", headers=ops)).json()["items"] == []
    records = (await notes.http.get(PATH, headers=ops)).json()["records"]
    assert [record["seq"] for record in records] == [1, 2]
    assert records[0]["headers"]["ce_type"] == "support.ticket.created.v1"
    assert records[0]["value"] == '{"a":1}'
    check_problem(await notes.http.get(f"{PATH}9", headers=ops), 404, "not_found")
    check_problem(await notes.http.get(PATH), 403, "scope_missing")


async def test_redrive_and_discard_are_kept_with_who_and_why(notes: Notes) -> None:
    """Redrive makes it due, discard takes events away and at last the subject; a reason is required."""
    await park(notes, 2)
    ops = notes.key("ops:write", client_id="ops")
    redriven = await notes.http.post(f"{PATH}/redrive", json={"reason": "fixed"}, headers=ops)
    assert redriven.json() == {"source": "intake", "subject": SUBJECT, "action": "redrive", "events": 2}
    check_problem(await notes.http.post(f"{PATH}/discard", json={}, headers=ops), 400, "invalid_input")
    check_problem(await notes.http.post(f"{PATH}/discard", json={"reason": "  "}, headers=ops), 400, "invalid_input")
    late = {"reason": "test data", "first_seq": 9}
    check_problem(await notes.http.post(f"{PATH}/discard", json=late, headers=ops), 409, "changed_meanwhile")
    none = {"reason": "test data"}
    check_problem(await notes.http.post(f"{PATH}/discard", json=none, headers=ops), 400, "invalid_input")
    nowhere = none | {"first": "support.intake.v1/1"}
    check_problem(await notes.http.post(f"{PATH}/discard", json=nowhere, headers=ops), 400, "invalid_input")
    other = none | {"first": "support.intake.v1/0/2", "first_seq": 1}
    check_problem(await notes.http.post(f"{PATH}/discard", json=other, headers=ops), 409, "changed_meanwhile")
    first = none | {"first": "support.intake.v1/0/1"}
    assert (await notes.http.post(f"{PATH}/discard", json=first, headers=ops)).json()["events"] == 1
    discarded = await notes.http.post(f"{PATH}/discard", json=late | {"first_seq": 2, "count": 9}, headers=ops)
    assert discarded.json()["events"] == 1
    check_problem(await notes.http.post(f"{PATH}/redrive", json={}, headers=ops), 404, "not_found")
    async with notes.database.read() as connection:
        rows = await connection.execute(text("select action, actor, reason from parking_action order by 1, 2"))
        assert [tuple(row) for row in rows] == [
            ("discard", "client:ops", "test data"),
            ("discard", "client:ops", "test data"),
            ("redrive", "client:ops", "fixed"),
        ]


async def add_poison(notes: Notes, count: int) -> None:
    """Keep some records that nothing could be made of."""
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await tx.connection.execute(
            text(
                "insert into poison_record (topic, partition, position, headers, payload, error, seen_at)"
                " select 'support.intake.v1', n % 2, n, :headers, 'x', 'no subject', :now"
                " from generate_series(1, cast(:count as int)) n"
            ),
            {"headers": b"\x90", "now": tx.now, "count": count},
        )


async def test_poison_is_listed_page_by_page_and_discarded_with_a_reason(notes: Notes) -> None:
    """Until nothing is left, so that the alarm on it can end."""
    await add_poison(notes, 5)
    read, write = notes.key("ops:read"), notes.key("ops:write", client_id="ops")
    page = (await notes.http.get("/v1/admin/poison?limit=2", headers=read)).json()
    offsets = [item["offset"] for item in page["items"]]
    while page["next_cursor"]:
        page = (await notes.http.get(f"/v1/admin/poison?limit=2&cursor={page['next_cursor']}", headers=read)).json()
        offsets += [item["offset"] for item in page["items"]]
    assert offsets == [5, 4, 3, 2, 1]
    path = "/v1/admin/poison/support.intake.v1/1/3/discard"
    check_problem(await notes.http.post(path, json={"reason": " "}, headers=write), 400, "invalid_input")
    check_problem(await notes.http.post(path, json={"reason": "x"}, headers=read), 403, "scope_missing")
    discarded = await notes.http.post(path, json={"reason": "a stranger's"}, headers=write)
    assert discarded.json() == {"topic": "support.intake.v1", "partition": 1, "offset": 3}
    check_problem(await notes.http.post(path, json={"reason": "x"}, headers=write), 404, "not_found")
    assert (await notes.http.get("/v1/admin/consumers", headers=read)).json()["poison_records"] == 4
    async with notes.database.read() as connection:
        columns = "action, source, subject, payload, actor, reason"
        [kept] = await connection.execute(text(f"select {columns} from parking_action"))  # noqa: S608 - our own words
    assert tuple(kept) == ("discard_poison", "support.intake.v1", "1/3", b"x", "client:ops", "a stranger's")


async def test_outbox_and_consumers(notes: Notes) -> None:
    """What waits to go out, and how far each partition is read."""
    await notes.http.post("/v1/notes", json={"text": "x"}, headers={"idempotency-key": "k"})
    async with notes.database.begin(Origin(actor="service:test")) as tx:
        await tx.connection.execute(
            text(
                "insert into outbox_lease (shard, holder, epoch, expires_at)"
                " select shard, 'relay-1', 1, now() from outbox on conflict (shard) do update set holder = 'relay-1'"
            )
        )
    ops = notes.key("ops:read")
    outbox = (await notes.http.get("/v1/admin/outbox", headers=ops)).json()
    assert outbox["waiting"] == 1
    consumers = (await notes.http.get("/v1/admin/consumers", headers=ops)).json()
    assert consumers == {"partitions": [], "parked": {}, "poison_records": 0}


async def test_the_schema_of_an_event(notes: Notes) -> None:
    """The open JSON Schema by the name on the wire."""
    found = await notes.http.get("/v1/schemas/support.ticket.created.v1")
    assert found.headers["content-type"] == "application/schema+json"
    assert "ticket_id" in found.text
    check_problem(await notes.http.get("/v1/schemas/support.nothing.v1"), 404, "not_found")
