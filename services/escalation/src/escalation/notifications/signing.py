"""Signatures of webhooks, by the Standard Webhooks specification (version 1, symmetric).

Source: Standard Webhooks, "Signature scheme": HMAC-SHA256 over "<id>.<timestamp>.<body>", the secret in base64.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from common.errors import Misconfigured

_PREFIX = "whsec_"
_SHORTEST_BYTES = 24
_LONGEST_BYTES = 64


def read_secret(text: str) -> bytes:
    """The secret's bytes.

    Args:
        text: "whsec_" and 24 to 64 bytes in base64.
    Raises:
        Misconfigured: it is something else.
    """
    try:
        secret = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as malformed:
        raise Misconfigured("FRONTLINE_ESCALATION_WEBHOOK_SECRET must be whsec_ and base64") from malformed
    if not text.startswith(_PREFIX) or not _SHORTEST_BYTES <= len(secret) <= _LONGEST_BYTES:
        raise Misconfigured("FRONTLINE_ESCALATION_WEBHOOK_SECRET must be whsec_ and 24 to 64 bytes in base64")
    return secret


def sign(secret: bytes, *, webhook_id: UUID, at: datetime, body: bytes) -> Mapping[str, str]:
    """The headers that prove who sent a body and when: `webhook-id`, `webhook-timestamp`, `webhook-signature`.

    Args:
        webhook_id: the same for every attempt, so that the receiver can drop repeats.
        at: of this attempt.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((str(webhook_id).encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": str(webhook_id),
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }
