"""The secret of webhooks, as operators give it."""

import pytest

from common.errors import Misconfigured
from escalation.notifications.signing import read_secret


@pytest.mark.parametrize(
    "text", ["", "secret", "whsec_", "whsec_not base64", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_a_secret_that_cannot_be_used_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(Misconfigured, match="WEBHOOK_SECRET"):
        read_secret(text)
