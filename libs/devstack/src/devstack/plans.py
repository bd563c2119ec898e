"""What the supervisor runs: the services' processes and their settings."""

import secrets

import msgspec

from devstack.databases import ServiceDatabase
from devstack.folder import StackFolder, write_whole
from devstack.ports import LOOPBACK, PortChooser
from devstack.state import ServiceState, State
from devstack.supervisor import Plan
from devstack.topics import LOCAL_PARTITIONS

SERVICES = {
    "intake": (8101, 9101, 9111),
    "routing": (8102, 9102, 9112),
    "escalation": (8103, 9103, 9113),
    "feedback": (8104, 9104, 9114),
}
"""Each service's usual ports: its API, its admin pages, and those of a worker that runs apart."""
CALLERS = {
    "escalation": (
        "tickets:read",
        "tickets:write",
        "agents:read",
        "agents:write",
        "routing:read",
        "routing:write",
        "act-as",
    ),
    "feedback": ("tickets:read", "tickets:write"),
}
"""The services that call the others' APIs, and what they may do there."""
INSTALLATION = "local"
LOOPBACK_NETWORKS = "127.0.0.0/8,::1/128"
"""Where webhooks may go beside the public internet, so that a receiver on this machine can be tried."""


def choose_services(known: State | None) -> dict[str, ServiceState]:
    """Ports and passwords of all services: those of the last time where they can be had, so that addresses stay."""
    chooser = PortChooser()
    return {service: _choose(chooser, usual, known, service) for service, usual in SERVICES.items()}


def _choose(chooser: PortChooser, usual: tuple[int, int, int], known: State | None, service: str) -> ServiceState:
    last = known.services.get(service) if known else None
    ports = (last.api_port, last.admin_port, last.worker_admin_port) if last else (0, 0, 0)
    api, admin, worker_admin = (chooser.choose(*pair) for pair in zip(ports, usual, strict=True))
    return ServiceState(
        api_port=api,
        admin_port=admin,
        worker_admin_port=worker_admin,
        owner_password=last.owner_password if last else secrets.token_hex(16),
        runtime_password=last.runtime_password if last else secrets.token_hex(16),
    )


def migration_settings(service: str, database: ServiceDatabase) -> dict[str, str]:
    """The environment of a service's `migrate`."""
    # The settings demand addresses and a key that migrations never use and that are not known yet.
    unused = {
        "FRONTLINE_KAFKA_BOOTSTRAP": f"{LOOPBACK}:9092",
        "FRONTLINE_PEERS_INTAKE_URL": f"http://{LOOPBACK}",
        "FRONTLINE_PEERS_ROUTING_URL": f"http://{LOOPBACK}",
        "FRONTLINE_PEERS_KEY": "unused",
    }
    needed = unused if service in CALLERS else {"FRONTLINE_KAFKA_BOOTSTRAP": unused["FRONTLINE_KAFKA_BOOTSTRAP"]}
    return {"FRONTLINE_DATABASE_URL": database.owner_url, **needed}


def write_plans(folder: StackFolder, state: State, databases: dict[str, ServiceDatabase]) -> None:
    """Leave the supervisor its list, readable by its owner only, because passwords stand in it."""
    plans = [plan for service, own in state.services.items() for plan in _plans(folder, state, service, own, databases)]
    write_whole(folder.processes, msgspec.json.encode(plans).decode())


def _plans(
    folder: StackFolder, state: State, service: str, own: ServiceState, databases: dict[str, ServiceDatabase]
) -> list[Plan]:
    settings = {
        "FRONTLINE_INSTALLATION": INSTALLATION,
        "FRONTLINE_DATABASE_URL": databases[service].runtime_url,
        "FRONTLINE_KAFKA_BOOTSTRAP": state.kafka_bootstrap,
        "FRONTLINE_KAFKA_PARTITIONS": str(LOCAL_PARTITIONS),
        "FRONTLINE_API_HOST": LOOPBACK,
        "FRONTLINE_API_PORT": str(own.api_port),
        "FRONTLINE_API_CLIENTS_FILE": str(folder.clients),
        "FRONTLINE_ADMIN_HOST": LOOPBACK,
        "FRONTLINE_ADMIN_PORT": str(own.admin_port),
    }
    if service in CALLERS:
        settings |= {
            "FRONTLINE_PEERS_INTAKE_URL": state.api_url("intake"),
            "FRONTLINE_PEERS_ROUTING_URL": state.api_url("routing"),
            "FRONTLINE_PEERS_KEY_FILE": str(folder.key_of(service)),
        }
    if service == "intake":
        settings |= {
            "FRONTLINE_INTAKE_WEBHOOKS_KEY_FILE": str(folder.webhooks_key),
            "FRONTLINE_INTAKE_WEBHOOKS_ALLOWED_NETWORKS": LOOPBACK_NETWORKS,
        }
    if service == "feedback":
        settings["FRONTLINE_FEEDBACK_PUBLIC_URL"] = state.api_url(service)
    if not state.split:
        return [Plan(name=service, arguments=("-m", service, "serve"), environment=settings)]
    worker = settings | {"FRONTLINE_ADMIN_PORT": str(own.worker_admin_port)}
    return [
        Plan(name=f"{service}-api", arguments=("-m", service, "api"), environment=settings),
        Plan(name=f"{service}-worker", arguments=("-m", service, "worker"), environment=worker),
    ]
