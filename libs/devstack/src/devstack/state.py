"""What is remembered of a stack between two commands."""

from pathlib import Path

import msgspec

from common.errors import Misconfigured
from devstack.folder import StackFolder, write_whole


class ServiceState(msgspec.Struct, frozen=True, kw_only=True):
    """One service: the ports of its API and its admin pages, and the passwords of its database's two roles."""

    api_port: int
    admin_port: int
    worker_admin_port: int
    owner_password: str
    runtime_password: str


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One stack. `servers` is "embedded", "containers" or "given"; the addresses are empty until servers answered."""

    servers: str
    split: bool
    services: dict[str, ServiceState]
    postgres_url: str = ""
    kafka_bootstrap: str = ""

    def api_url(self, service: str) -> str:
        """Where a service's API answers."""
        return f"http://127.0.0.1:{self.services[service].api_port}"

    def admin_ports(self, service: str) -> list[int]:
        """The ports of the admin pages of a service's processes."""
        own = self.services[service]
        return [own.admin_port, own.worker_admin_port] if self.split else [own.admin_port]


def read_state(folder: StackFolder) -> State | None:
    """The stack's state; None where none was started.

    Raises:
        Misconfigured: the file is damaged.
    """
    try:
        return msgspec.json.decode(folder.state.read_bytes(), type=State)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as damaged:
        raise Misconfigured(f"{folder.state} is damaged: {damaged}; remove it, the data stay") from damaged


def write_state(folder: StackFolder, state: State) -> None:
    """Remember the state, readable by its owner only, because passwords stand in it."""
    write_whole(folder.state, msgspec.json.format(msgspec.json.encode(state)).decode() + "\n")


def development_key(folder: StackFolder) -> str:
    """The local stack's own API key; empty where it was not made yet."""
    return _text(folder.development_key)


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""
