"""The starting directory of a local stack: skills, agents of three tiers who are online, and desks."""

from collections.abc import Mapping

from common.errors import Refused
from devstack.client import Client

_SKILLS = ("billing", "database", "email", "network", "security")
_MAX_WEIGHT = 60
"""Fifteen urgent tickets each, so that somebody who plays with the stack does not run out of agents at once."""
_AGENTS = (
    ("Entry network 1", 1, ("network", "email"), {"network": 2, "email": 3}),
    ("Entry network 2", 1, ("network", "email"), {"network": 1, "email": 2, "security": 1}),
    ("Entry billing 1", 1, ("billing",), {"billing": 3, "email": 1}),
    ("Mid network 1", 2, ("network", "database"), {"network": 4, "database": 3, "security": 2}),
    ("Mid billing 1", 2, ("billing", "database"), {"billing": 4, "database": 4, "email": 2}),
    ("Senior 1", 3, ("network", "database", "email", "billing"), {
        "network": 5, "database": 5, "security": 5, "email": 4, "billing": 3,
    }),
)  # fmt: skip
"""Name, tier, teams, skills with levels."""
_QUEUES: tuple[Mapping[str, object], ...] = (
    {"name": "Network", "priority": 10, "match": {"category": {"in": ["network", "vpn", "wifi"]}},
     "primary_teams": ["network"]},
    {"name": "Billing", "priority": 20, "match": {"category": {"eq": "billing"}}, "primary_teams": ["billing"]},
)  # fmt: skip
"""What neither matches goes to the desk that every installation has."""

_ALREADY_THERE = frozenset({"skill_exists", "email_taken"})
"""Refusals of what a start long ago, whose idempotency keys are forgotten, has made."""


def create_directory(routing_url: str, key: str) -> None:
    """Create it in an installation that is new. A repeat after an interruption creates nothing twice.

    Raises:
        Unavailable: routing does not answer.
        Refused: it does not accept an entry.
    """
    with Client("routing", routing_url, key) as routing:
        _fill(routing)


def _fill(routing: Client) -> None:
    for skill in _SKILLS:
        _create(routing, "/v1/skills", {"name": skill}, key=f"skill-{skill}")
    for name, tier, teams, skills in _AGENTS:
        slug = name.lower().replace(" ", "-")
        agent: dict[str, object] = {
            "name": name,
            "email": f"{slug}@support.example",
            "tier": tier,
            "teams": list(teams),
            "skills": skills,
            "max_weight": _MAX_WEIGHT,
            "presence": "online",
        }
        _create(routing, "/v1/agents", agent, key=f"agent-{slug}")
    existing = {queue["name"] for queue in routing.list_all("/v1/queues")}
    for queue in _QUEUES:
        if queue["name"] not in existing:
            _create(routing, "/v1/queues", queue, key=f"queue-{queue['name']}")


def _create(routing: Client, path: str, body: Mapping[str, object], *, key: str) -> None:
    try:
        routing.send("POST", path, body, idempotency_key=f"starting-{key}")
    except Refused as refused:
        if refused.code not in _ALREADY_THERE:
            raise
