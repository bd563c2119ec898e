"""Certificate files that settings name, read at start so that a wrong one is told then."""

import ssl
from pathlib import Path


def check_pair(one: Path | None, other: Path | None, rule: str) -> None:
    """Raises: ValueError: one is set without the other; says the rule."""
    if (one is None) != (other is None):
        raise ValueError(rule)


def check_files(*paths: Path | None) -> None:
    """Raises: ValueError: a file is missing."""
    for path in paths:
        if path is not None and not path.is_file():
            raise ValueError(f"no such file: {path}")


def tls_context(
    authorities: Path | None, certificate: Path | None, key: Path | None, *, names: tuple[str, str]
) -> ssl.SSLContext:
    """A client's context. `names` are the settings of authorities and certificate, for the error.

    Raises:
        ValueError: a file cannot be read as what it should hold.
    """
    try:
        context = ssl.create_default_context(cafile=authorities)
    except OSError as unusable:  # SSLError is one
        raise ValueError(f"{names[0]}: {authorities} holds no certificates that can be read: {unusable}") from unusable
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as unusable:
            raise ValueError(f"{names[1]}: {certificate} and its key cannot be used: {unusable}") from unusable
    return context
