"""What the command says: events in a line, problems in a sentence, keys, and where it finds an installation."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from common.errors import Forbidden, FrontlineError, Misconfigured, NotFound, Refused, Unauthenticated, Unavailable
from common.ids import new_id
from common.web.clients import list_clients
from contracts.envelope import Event
from devstack.cli.app import app
from devstack.cli.place import find_installation, find_kafka
from devstack.cli.tail import as_json_event, describe
from devstack.client import Client


def event(data: bytes) -> Event:
    """An event about a ticket."""
    return Event(
        id=new_id(),
        source="/frontline/local/routing",
        type="support.assignment.assigned.v1",
        subject="ticket/0192",
        seq=2,
        time=datetime(2026, 11, 22, 21, 55, 48, 391_000, UTC),
        data=data,
    )


def test_an_event_is_told_in_one_line() -> None:
    told = describe(event(b'{"ticket_id":"0192","agent_id":"a1","tier":1,"tags":[],"reason":""}'))
    assert told == "21:55:48.391  routing  assignment.assigned          ticket/0192 #2  agent_id=a1 tier=1"


def test_a_body_that_is_no_json_is_shown_as_it_is() -> None:
    assert as_json_event(event(b"\xff not json"))["data"] == "\ufffd not json"
    assert "not json" in describe(event(b"not json"))


class _Answers(BaseHTTPRequestHandler):
    answer: ClassVar[tuple[int, str, bytes]] = (200, "application/json", b"{}")
    asked: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        """Answer what the test wants."""
        status, kind, body = self.answer
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden argument
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server that gives `_Answers.answer` to everything."""
    _Answers.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (401, Unauthenticated), (403, Forbidden), (404, NotFound), (409, Refused), (503, Unavailable)],
)
def test_a_problem_document_becomes_one_sentence(
    url: str, status: int, kind: type[FrontlineError], monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"detail": "this does not fit", "code": "no_fit", "errors": [{"pointer": "/a", "detail": "is no b"}]}
    monkeypatch.setattr(_Answers, "answer", (status, "application/problem+json", json.dumps(problem).encode()))
    with Client("intake", url, "key") as client, pytest.raises(kind, match="this does not fit; /a: is no b") as refused:
        client.send("POST", "/v1/tickets", {})
    assert refused.value.code == "no_fit"


def test_an_answer_of_something_in_between_is_told_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Answers, "answer", (502, "text/html", b"<h1>Bad gateway</h1>\nmore"))
    with (
        Client("intake", url, "key") as client,
        pytest.raises(Unavailable, match=r"answers 502: <h1>Bad gateway</h1>$"),
    ):
        client.send("POST", "/v1/tickets", {})


def test_a_command_carries_key_version_actor_and_idempotency_key(url: str) -> None:
    with Client("intake", url, "secret", actor="agent:7") as client:
        client.send("POST", "/v1/tickets/1/resolve", {}, version=3)
        client.send("POST", "/v1/tickets/1/resolve", {}, version=3)
    first, second = _Answers.asked
    assert first["authorization"] == "Bearer secret"
    assert first["support-actor"] == "agent:7"
    assert first["if-match"] == '"3"'
    assert first["idempotency-key"] != second["idempotency-key"]


def test_a_service_that_is_away_is_named() -> None:
    with Client("routing", "http://127.0.0.1:1", "key") as client, pytest.raises(Unavailable, match="routing at http"):
        client.get("/v1/agents")


def test_another_installation_is_never_shown_the_local_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "development-key").write_text("fl_local\n")
    monkeypatch.setenv("FRONTLINE_CLI_FOLDER", str(tmp_path))
    monkeypatch.setenv("FRONTLINE_CLI_INTAKE_URL", "https://support.example.com")
    place = find_installation()
    assert place.urls["intake"] == "https://support.example.com"
    assert place.key == ""


def test_kafka_takes_the_words_of_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTLINE_CLI_KAFKA_BOOTSTRAP", "kafka.example.com:9093")
    monkeypatch.setenv("FRONTLINE_CLI_KAFKA_TOPIC_PREFIX", "acme.")
    assert find_kafka().topic_prefix == "acme."
    monkeypatch.setenv("FRONTLINE_CLI_KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(Misconfigured, match="FRONTLINE_CLI_KAFKA_SECURITY_PROTOCOL"):
        find_kafka()


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    runner = CliRunner()
    file = str(tmp_path / "clients.json")
    created = runner.invoke(app, ["keys", "create", "monitoring", "--scope", "tickets:write", "--file", file])
    assert created.exit_code == 0, created.output
    key = created.stdout.strip()
    assert key.startswith("fl_")
    (client,) = list_clients(Path(file))
    assert client.scopes == ("tickets:write",)
    assert key not in Path(file).read_text()

    listed = runner.invoke(app, ["keys", "list", "--file", file])
    assert key.split("_")[1] in listed.stdout
    assert runner.invoke(app, ["keys", "revoke", key, "--file", file]).exit_code == 0
    assert list_clients(Path(file)) == ()
    assert isinstance(runner.invoke(app, ["keys", "revoke", key, "--file", file]).exception, NotFound)
