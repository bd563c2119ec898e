"""The OpenAPI document of feedback is true, for people's pages too."""

import pytest

from tests.integration.feedback.conftest import Feedback
from tests.support.openapi import check_openapi
from tests.support.serving import serving


@pytest.mark.timeout(600)
async def test_nothing_breaks_the_document(feedback: Feedback) -> None:
    """schemathesis finds no 5xx and no answer that the document does not describe."""
    await feedback.sent()
    scopes = ("feedback:read", "feedback:write", "act-as", "events:read", "ops:read", "ops:write")
    async with serving(feedback.app) as url:
        assert await check_openapi(url, feedback.key(*scopes)) >= 25
