"""The OpenAPI document is true, and nothing that is sent to the edge breaks it."""

import pytest

from common.web.clients import SCOPES
from tests.integration.web.conftest import Notes
from tests.support.authorization import Keyring, check_authorization, prepare
from tests.support.openapi import check_openapi
from tests.support.serving import serving


@pytest.mark.timeout(600)
async def test_nothing_breaks_the_document(notes: Notes) -> None:
    """schemathesis finds no 5xx and no answer that the document does not describe."""
    async with serving(notes.app) as url:
        count = await check_openapi(url, notes.key(*SCOPES - {"act-as"}), examples=8)
    assert count == 26


async def test_every_cell_of_the_authorization_matrix(notes: Notes) -> None:
    """Each route lets in exactly the keys with its scopes."""
    keyring = Keyring(notes.clients_file, notes.clock.now())
    prepare(notes.app, keyring)
    notes.reload_clients()
    notes.http.headers.pop("authorization")
    assert await check_authorization(notes.app, notes.http, keyring) > 9 * 19
