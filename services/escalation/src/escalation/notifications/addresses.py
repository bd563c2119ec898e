"""Which addresses a webhook may go to: the public internet, so that nobody makes us call what only we can reach.

The name is looked up once and the connection goes to the very address that was judged: a name that answers otherwise
the second time changes nothing.
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from escalation.notifications.domain import UnusableAddress, read_url

_EMBEDDING = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96")
)
"""IPv6 ranges that stand for IPv4 addresses (NAT64, 6to4, Teredo, compatible, mapped): a way around the rule."""


class ForbiddenAddress(Exception):
    """The address is not one that we call. Its text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Where to connect: an address that was judged, for the host that the URL names."""

    scheme: str
    host: str
    port: int
    address: str
    path: str

    @property
    def authority(self) -> str:
        """The Host header."""
        usual = {"http": 80, "https": 443}[self.scheme]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL to connect by."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}{self.path}"


async def find_destination(url: str, *, allow_private: bool) -> Destination:
    """Look the URL's host up and judge every address it has.

    Args:
        allow_private: for installations whose receivers stand beside them: any address, and plain HTTP.
    Raises:
        ForbiddenAddress: the URL cannot be used, or one of its addresses is not public.
        OSError: the name cannot be looked up now.
    """
    try:
        parts = read_url(url)
    except UnusableAddress as unusable:
        raise ForbiddenAddress(str(unusable)) from unusable
    if parts.scheme == "http" and not allow_private:
        raise ForbiddenAddress("plain HTTP is not allowed")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise ForbiddenAddress("the host has no address")
    if not allow_private:
        for address in addresses:
            check_public(address)
    return Destination(scheme=parts.scheme, host=parts.host, port=parts.port, address=addresses[0], path=parts.path)


def check_public(address: str) -> None:
    """Refuse private, loopback, link-local, multicast and reserved addresses, also within IPv6.

    Raises:
        ForbiddenAddress: it is one of these.
    """
    judged = ipaddress.ip_address(address.partition("%")[0])
    embedding = judged.version == 6 and any(judged in network for network in _EMBEDDING)
    if not judged.is_global or judged.is_multicast or judged.is_reserved or embedding:
        raise ForbiddenAddress("the host's address is not public")
