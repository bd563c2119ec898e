"""Which addresses a webhook may go to: the public internet, so that nobody makes us call what only we can reach.

The name is looked up once and the connection goes to the very address that was judged: a name that answers otherwise
the second time changes nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EVERYWHERE: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
"""Every address that there is, for installations whose receivers stand beside them."""

_PORTS = {"http": 80, "https": 443}
_EMBEDDING = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "::ffff:0:0/96")
)
"""IPv6 ranges that stand for IPv4 addresses (NAT64, 6to4, Teredo, compatible, mapped): a way around the rule."""


class UnusableUrl(Exception):
    """Nothing could ever be posted to this URL. Its text says why, without repeating the URL."""


class ForbiddenAddress(Exception):
    """The address is not one that we call. Its text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Url:
    """A webhook's URL in its parts. `host` is in ASCII, as names are looked up and put into headers."""

    scheme: str
    host: str
    port: int
    path: str


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
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL to connect by."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{address}:{self.port}{self.path}"


def read_url(url: str) -> Url:
    """The parts of a webhook's URL.

    Raises:
        UnusableUrl: it is no URL of a host that could be looked up.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except ValueError as malformed:
        # Also what IDNA says of an empty label or one that is too long: its errors are values' errors too.
        raise UnusableUrl("the URL is malformed") from malformed
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise UnusableUrl("the URL must be http(s)://host without a user")
    if port == 0:
        raise UnusableUrl("the URL's port is 0")
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    return Url(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme], path=path)


async def find_destinations(
    url: str, *, allowed: Sequence[Network], lookups: Executor | None = None
) -> Sequence[Destination]:
    """Look the URL's host up and judge every address it has; the one to be tried first comes first.

    Args:
        allowed: networks that may be called though they are not public, and by plain HTTP.
        lookups: threads that wait for names; None are the event loop's own.
    Raises:
        ForbiddenAddress: the URL cannot be used, or one of its addresses may not be called.
        OSError: the name cannot be looked up now.
    """
    try:
        parts = read_url(url)
    except UnusableUrl as unusable:
        raise ForbiddenAddress(str(unusable)) from unusable
    if parts.scheme == "http" and not allowed:
        raise ForbiddenAddress("plain HTTP is not allowed")
    addresses = await _look_up(parts, lookups)
    if not addresses:
        raise ForbiddenAddress("the host has no address")
    for address in addresses:
        check_address(address, allowed=allowed, scheme=parts.scheme)
    return [
        Destination(scheme=parts.scheme, host=parts.host, port=parts.port, address=address, path=parts.path)
        for address in addresses
    ]


def check_address(address: str, *, allowed: Sequence[Network] = (), scheme: str = "https") -> None:
    """Refuse private, loopback, link-local, multicast and reserved addresses, also within IPv6, unless allowed.

    Args:
        allowed: networks that may be called all the same, and these alone by plain HTTP.
    Raises:
        ForbiddenAddress: it is one of these.
    """
    judged = ipaddress.ip_address(address.partition("%")[0])
    if any(judged in network for network in allowed):
        return
    embedding = judged.version == 6 and any(judged in network for network in _EMBEDDING)
    if not judged.is_global or judged.is_multicast or judged.is_reserved or embedding:
        raise ForbiddenAddress("the host's address is not public")
    if scheme != "https":
        raise ForbiddenAddress("plain HTTP is not allowed")


async def _look_up(parts: Url, lookups: Executor | None) -> list[str]:
    loop = asyncio.get_running_loop()
    if lookups is None:
        found = await loop.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
    else:
        found = await loop.run_in_executor(lookups, _ask_resolver, parts.host, parts.port)
    return [str(entry[4][0]) for entry in found]


def _ask_resolver(host: str, port: int) -> list[tuple[object, object, int, str, tuple[object, ...]]]:
    return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
