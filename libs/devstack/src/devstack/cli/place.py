"""Which stack and which installation a command means."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import Misconfigured
from devstack.client import Client
from devstack.folder import StackFolder
from devstack.state import State, development_key, read_state

if TYPE_CHECKING:
    from common.settings import KafkaSettings

Folder = Annotated[
    Path | None,
    typer.Option(
        envvar="FRONTLINE_CLI_FOLDER", help="The local stack's folder, by default .frontline in the checkout."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
ActingFor = Annotated[
    str, typer.Option("--as", metavar="AGENT", help="The id of the agent who acts; the key needs the scope act-as.")
]


class Service(StrEnum):
    """The services that have an API."""

    INTAKE = "intake"
    ROUTING = "routing"
    ESCALATION = "escalation"
    FEEDBACK = "feedback"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Where the services' APIs answer, by name, and the key to talk to them. Empty where neither given nor known."""

    urls: Mapping[str, str]
    key: str = ""

    def client(self, service: Service, *, acting_for: str = "") -> Client:
        """A caller of one service, acting for the agent with this id if one is given.

        Raises:
            Misconfigured: address or key is missing.
        """
        actor = f"agent:{acting_for}" if acting_for else ""
        return Client(service.value, self.urls.get(service.value, ""), self.key, actor=actor)


def stack_folder(given: Path | None) -> Path:
    """The folder of the stack that is meant.

    Raises:
        Misconfigured: no folder is given, and the working directory lies in no checkout.
    """
    if given is not None:
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "libs" / "devstack").is_dir():
            return folder / ".frontline"
    raise Misconfigured("this is no checkout of Frontline: change into one, or name the stack with --folder")


def find_installation() -> Installation:
    """What `FRONTLINE_CLI_*` variables say, and for the rest what the local stack's state says.

    The local stack's key is used for the local stack alone: another installation needs its own.
    """
    given = {service.value: os.environ.get(f"FRONTLINE_CLI_{service.name}_URL", "") for service in Service}
    key = os.environ.get("FRONTLINE_CLI_KEY", "")
    if any(given.values()):
        return Installation(urls=given, key=key)
    state, own_key = _local()
    if state is None:
        return Installation(urls={}, key=key)
    return Installation(urls={service.value: state.api_url(service.value) for service in Service}, key=key or own_key)


def find_kafka() -> "KafkaSettings":
    """The cluster that `FRONTLINE_CLI_KAFKA_*` variables name, with the services' own words; else the local stack's.

    Raises:
        Misconfigured: a value cannot be used, or no cluster is known.
    """
    from pydantic import ValidationError  # both are slow to load, and one command needs them

    from common.settings import KafkaSettings

    given = {name: os.environ.get(f"FRONTLINE_CLI_KAFKA_{name.upper()}") for name in KafkaSettings.model_fields}
    values = {name: value for name, value in given.items() if value}
    if "bootstrap" not in values:
        state, _ = _local()
        if state is None:
            raise Misconfigured("no local stack is known and FRONTLINE_CLI_KAFKA_BOOTSTRAP is not set")
        values["bootstrap"] = state.kafka_bootstrap
    try:
        return KafkaSettings.model_validate(values)
    except ValidationError as wrong:
        fault = wrong.errors(include_input=False)[0]
        name = "_".join(str(part) for part in fault["loc"]).upper()
        raise Misconfigured(f"FRONTLINE_CLI_KAFKA_{name}: {fault['msg']}") from None


def _local() -> tuple[State | None, str]:
    try:
        folder = StackFolder(stack_folder(_given_folder()))
    except Misconfigured:
        return None, ""  # outside of a checkout there is no local stack, which is no error for the other commands
    return read_state(folder), development_key(folder)


def _given_folder() -> Path | None:
    value = os.environ.get("FRONTLINE_CLI_FOLDER")
    return Path(value) if value else None
