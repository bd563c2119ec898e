"""Who gets in: keys, their life, and acting for a person."""

from datetime import timedelta

import pytest

from common.ids import new_id
from common.web.clients import create_key, list_clients, revoke_key
from tests.integration.web.conftest import Notes
from tests.integration.web.test_problems import check_problem


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer x", "Bearer fl_00000000_" + "A" * 43])
async def test_without_a_valid_key(notes: Notes, header: str) -> None:
    """401 with the scheme to use, whatever the address."""
    answer = await notes.http.get("/v1/notes", headers={"authorization": header})
    check_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_new_key_works_within_a_second_and_a_revoked_one_ends(notes: Notes) -> None:
    """The file is looked at once a second at most, and two keys of one client live side by side."""
    old = create_key(notes.clients_file, "crm", scopes=["tickets:read"], now=notes.clock.now())
    headers = {"authorization": f"Bearer {old}"}
    assert (await notes.http.get("/v1/notes", headers=headers)).status_code == 401
    notes.reload_clients()
    assert (await notes.http.get("/v1/notes", headers=headers)).status_code == 200
    new = notes.key("tickets:read", client_id="crm")
    assert (await notes.http.get("/v1/notes", headers=headers)).status_code == 200
    revoke_key(notes.clients_file, old[3:11])
    notes.reload_clients()
    assert (await notes.http.get("/v1/notes", headers=headers)).status_code == 401
    assert (await notes.http.get("/v1/notes", headers=new)).status_code == 200


async def test_a_broken_file_keeps_the_last_good_one(notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is locked out by a slip, and the log says what is wrong."""
    notes.clients_file.write_text("{")
    notes.reload_clients()
    assert (await notes.http.get("/v1/notes")).status_code == 200
    assert "malformed" in caplog.text


async def test_an_expired_client_is_out(notes: Notes) -> None:
    """To the second."""
    ends = notes.clock.now() + timedelta(minutes=1)
    key = create_key(notes.clients_file, "guest", scopes=["tickets:read"], now=notes.clock.now(), expires_at=ends)
    headers = {"authorization": f"Bearer {key}"}
    notes.clock.move(timedelta(seconds=59))
    assert (await notes.http.get("/v1/notes", headers=headers)).status_code == 200
    notes.clock.move(timedelta(seconds=1))
    check_problem(await notes.http.get("/v1/notes", headers=headers), 401, "unauthenticated")
    assert {client.client_id for client in list_clients(notes.clients_file)} == {"everything", "guest"}


async def test_acting_for_an_agent(notes: Notes) -> None:
    """The event names the agent; without act-as it is 403, and nonsense is 400."""
    agent = f"agent:{new_id()}"
    may = notes.key("tickets:write", "act-as", "events:read", client_id="desk")

    async def write(actor: str, headers: dict[str, str]) -> tuple[int, str]:
        sent = {**headers, "support-actor": actor, "idempotency-key": str(new_id())}
        answer = await notes.http.post("/v1/notes", json={"text": "x"}, headers=sent)
        return answer.status_code, answer.json().get("code", "")

    assert await write(agent, may) == (201, "")
    assert await write(agent, {}) == (403, "scope_missing")
    assert await write("agent:me", may) == (400, "invalid_input")
    assert await write(f"client:{new_id()}", may) == (400, "invalid_input")
    events = (await notes.http.get("/v1/events", headers=may)).json()["events"]
    assert [event["actor"] for event in events] == [agent]
