"""The secret that signs webhooks, as the Standard Webhooks specification writes it."""

import base64
import binascii

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
