"""Whatever is sent to escalation: a clear refusal or the truth."""

import pytest

from tests.integration.escalation.conftest import Escalation
from tests.support.handoffs import PACKAGE
from tests.support.openapi import check_openapi
from tests.support.serving import serving


@pytest.mark.timeout(600)
async def test_nothing_breaks_the_document(escalation: Escalation) -> None:
    """schemathesis finds no 5xx and no answer that the document does not describe."""
    owner = await escalation.agent()
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner)
    body = {"reason_code": "shift_end", "package": PACKAGE}
    made = await escalation.http.post(f"/v1/tickets/{ticket_id}/handoffs", json=body)
    assert made.status_code == 201, made.text
    scopes = ("escalation:read", "escalation:write", "act-as", "events:read", "ops:read", "ops:write")
    async with serving(escalation.app) as url:
        assert await check_openapi(url, escalation.key(*scopes)) >= 30
