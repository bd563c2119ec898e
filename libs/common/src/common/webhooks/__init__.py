"""Signed posts to systems outside, by the Standard Webhooks specification, to addresses that we may call.

`addresses` judges where a post may go, `signing` proves who sent it, `posting` makes one attempt. Which attempts follow
is for each service to say: this package keeps nothing.
"""

from common.webhooks.addresses import (
    EVERYWHERE,
    Destination,
    ForbiddenAddress,
    Network,
    UnusableUrl,
    Url,
    check_address,
    find_destinations,
    read_url,
)
from common.webhooks.posting import Answer, Poster
from common.webhooks.signing import headers_of, sign, signed_content

__all__ = [
    "EVERYWHERE",
    "Answer",
    "Destination",
    "ForbiddenAddress",
    "Network",
    "Poster",
    "UnusableUrl",
    "Url",
    "check_address",
    "find_destinations",
    "headers_of",
    "read_url",
    "sign",
    "signed_content",
]
