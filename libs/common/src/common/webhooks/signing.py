"""Signatures of webhooks, by the Standard Webhooks specification.

Source: Standard Webhooks, "Signature scheme": HMAC-SHA256 over "<id>.<timestamp>.<body>", in base64 behind "v1,".
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID


def signed_content(webhook_id: UUID, *, at: datetime, body: bytes) -> bytes:
    """What every scheme signs.

    Args:
        webhook_id: the same for every attempt, so that the receiver can drop repeats.
        at: of this attempt.
    """
    return b".".join((str(webhook_id).encode(), _timestamp(at).encode(), body))


def sign(secret: bytes, content: bytes) -> str:
    """The symmetric signature, as it stands in the header: "v1,<base64>"."""
    return f"v1,{base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()}"


def headers_of(webhook_id: UUID, *, at: datetime, signatures: Sequence[str]) -> Mapping[str, str]:
    """The headers that prove who sent a body and when; several signatures let a receiver change to a new secret."""
    return {
        "webhook-id": str(webhook_id),
        "webhook-timestamp": _timestamp(at),
        "webhook-signature": " ".join(signatures),
    }


def _timestamp(at: datetime) -> str:
    return str(int(at.timestamp()))
