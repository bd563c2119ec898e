"""Public routes: anybody gets in, people are refused by pages, and forms are read within limits."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
import pytest
from fastapi import APIRouter, Response
from starlette.datastructures import Headers

from common.errors import FrontlineError, Gone, Misconfigured
from common.service import Runtime, create_api
from common.web import CurrentOrigin, CurrentSubmission, CurrentTransaction, ReadRoute, TransactionalRoute, public
from common.web.access import needs_scope
from tests.integration.web.conftest import Notes
from tests.support.notes.app import build

FORM = {"content-type": "application/x-www-form-urlencoded"}


def page(error: FrontlineError, status: int, path: str, headers: Headers) -> Response | None:
    """A page for everybody who does not ask for JSON."""
    if "json" in headers.get("accept", ""):
        return None
    return Response(f"<p>{error.code} at {path}</p>", status_code=status, media_type="text/html")


reads = APIRouter(route_class=ReadRoute)
commands = APIRouter(route_class=TransactionalRoute)


@reads.get("/p/{secret}", dependencies=[public(page)])
async def look(secret: str, origin: CurrentOrigin) -> dict[str, str]:
    """Who is taken to act."""
    if secret == "ended":
        raise Gone
    if secret == "broken":
        raise RuntimeError("nobody expects this")
    return {"actor": origin.actor}


@commands.post("/p/{secret}", dependencies=[public(page)])
async def submit(secret: str, tx: CurrentTransaction, submission: CurrentSubmission) -> dict[str, object]:
    """What was sent."""
    return {"form": submission.form, "document": submission.document}


@pytest.fixture
async def anybody(notes: Notes) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody without a key, at a service with two public routes."""
    service = replace(build(notes.settings), routers=[reads, commands])
    runtime = Runtime(settings=notes.settings, database=notes.database, clock=notes.clock)
    transport = httpx.ASGITransport(create_api(service, runtime), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notes") as http:
        yield http


async def test_anybody_gets_in(anybody: httpx.AsyncClient) -> None:
    """Without a key, with a wrong one, with an actor, and with parameters that a mail program adds."""
    headers = {"authorization": "Bearer nonsense", "support-actor": "agent:nobody", "support-after": "nonsense"}
    for given in ({}, headers):
        shown = await anybody.get("/p/one?utm_source=mail", headers=given)
        assert (shown.status_code, shown.json()) == (200, {"actor": "public"})


async def test_people_are_refused_by_pages(anybody: httpx.AsyncClient) -> None:
    """Also where nobody expected the failure; programs get the problem document."""
    gone = await anybody.get("/p/ended")
    assert (gone.status_code, gone.text) == (410, "<p>gone at /p/ended</p>")
    broken = await anybody.get("/p/broken")
    assert (broken.status_code, broken.text) == (500, "<p>error at /p/broken</p>")
    program = await anybody.get("/p/ended", headers={"accept": "application/json"})
    assert (program.headers["content-type"], program.json()["code"]) == ("application/problem+json", "gone")
    large = await anybody.post("/p/one", content=b"a" * 32_769, headers=FORM)
    assert (large.status_code, large.text) == (413, "<p>payload_too_large at /p/one</p>")


async def test_forms_and_json(anybody: httpx.AsyncClient) -> None:
    """A form's values are lists of texts; JSON is as it came; an absent body is neither."""
    form = await anybody.post("/p/one", content=b"a=1&a=%C3%A4&b=", headers=FORM)
    assert form.json() == {"form": {"a": ["1", "ä"], "b": [""]}, "document": None}
    assert (await anybody.post("/p/one", json={"a": [1]})).json() == {"form": None, "document": {"a": [1]}}
    assert (await anybody.post("/p/one")).json() == {"form": None, "document": None}
    assert (await anybody.post("/p/one", headers=FORM)).json() == {"form": {}, "document": None}


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff=1", b"a=%00", b"%00=a", b"&".join([b"a"] * 51)])
async def test_forms_that_cannot_be_read(anybody: httpx.AsyncClient, body: bytes) -> None:
    """Not UTF-8, a NUL, or too many fields."""
    headers = FORM | {"accept": "application/json"}
    refused = await anybody.post("/p/one", content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) in [(400, "malformed_form"), (400, "nul_in_text")]


async def test_a_key_makes_no_claim(anybody: httpx.AsyncClient) -> None:
    """Idempotency keys belong to clients: here they are passed over, and nothing is replayed."""
    headers = {"idempotency-key": "one"}
    first = await anybody.post("/p/one", json={"n": 1}, headers=headers)
    second = await anybody.post("/p/one", json={"n": 2}, headers=headers)
    assert (first.json()["document"], second.json()["document"]) == ({"n": 1}, {"n": 2})
    assert "idempotency-replayed" not in second.headers


def test_public_or_scoped() -> None:
    """A route declares one of the two, never both."""
    router = APIRouter(route_class=ReadRoute)
    with pytest.raises(Misconfigured, match="public"):
        router.add_api_route("/both", look, dependencies=[public(page), needs_scope("tickets:read")])
    with pytest.raises(Misconfigured, match="needs_scope"):
        router.add_api_route("/none", look)
