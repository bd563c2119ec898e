"""Receivers that fail in every way: raw TCP servers that do what a test tells them, and certificates of their own."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def behaving(behaviour: Behaviour, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """A server that treats each connection so; yields its port. What it still does at the end is cut off."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            handling.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(handling):
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)


async def say_nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer, as a connection whose other half is gone."""
    await reader.read(100_000)
    await asyncio.Event().wait()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take some of the request and cut the connection."""
    await reader.read(10)
    # Without this, closing resets a connection only where something was not yet read.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and close the connection without a word."""
    await reader.read(100_000)
    writer.write_eof()
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, so that something always comes and the status never does."""
    await reader.read(100_000)
    for at in range(10_000):
        writer.write(b"HTTP/1.1 200 OK\r\nx-slow: "[at : at + 1] or b"x")
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.Event().wait()


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the event, with an answer that never ends."""
    await reader.read(100_000)
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
        await writer.drain()


async def cut_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the event, and break off in the middle of the answer's body."""
    await reader.read(100_000)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthan")
    writer.write_eof()
    await reader.read()


async def pour_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with headers that never end."""
    await reader.read(100_000)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"x" * 65_536 + b"\r\n")
        await writer.drain()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer something that is no HTTP."""
    await reader.read(100_000)
    writer.write(b"220 mail.example.com ESMTP ready\r\n")
    await writer.drain()
    await asyncio.Event().wait()


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the event."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_TAKEN)
    await writer.drain()


@contextmanager
def accepting_nothing(address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A listener whose queue is full and that nobody accepts from, so that connecting to it never ends; its port."""
    with ExitStack() as open_until_left:
        full = open_until_left.enter_context(socket.socket())
        full.bind((address, port))
        full.listen(0)
        for _ in range(4):
            waiting = open_until_left.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def make_certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for `host` that nobody knows, and that certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        known_as: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        known_as = x509.DNSName(host)
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([known_as]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = folder / f"{host}.key"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key_file)
    return context, file
