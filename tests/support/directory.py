"""A staff for a running installation: agents of three tiers and the skills they have, by the public API."""

from collections.abc import Mapping
from typing import Any

from tests.support.stack import Stack


async def register_agent(
    stack: Stack,
    name: str,
    *,
    tier: int = 1,
    skills: Mapping[str, int] | None = None,
    max_weight: int = 10,
    max_offers: int = 1,
    presence: str = "online",
) -> str:
    """Register one agent, with the skills that are not known yet, and return the agent's id."""
    async with stack.client("routing") as client:
        for skill in skills or {}:
            added = await client.post("/v1/skills", headers={"Idempotency-Key": f"skill-{skill}"}, json={"name": skill})
            assert added.status_code == 201, added.text
        answer = await client.post(
            "/v1/agents",
            headers={"Idempotency-Key": f"agent-{name}"},
            json={
                "name": name,
                "tier": tier,
                "skills": dict(skills or {}),
                "max_weight": max_weight,
                "max_offers": max_offers,
                "presence": presence,
            },
        )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["agent_id"])


async def open_directory(stack: Stack, *, agents: int, max_weight: int = 10) -> list[str]:
    """Register so many agents, all online: half of them entry, then mid and senior in turn. Returns their ids."""
    tiers = (1, 2, 1, 3)
    return [
        await register_agent(
            stack, f"agent-{number:03}", tier=tiers[number % len(tiers)], skills={"general": 3}, max_weight=max_weight
        )
        for number in range(agents)
    ]


def new_ticket(number: int, **fields: Any) -> dict[str, Any]:
    """A body for `POST /v1/tickets` that is valid as it stands."""
    return {
        "subject": f"Cannot reach the console, case {number}",
        "description": "It worked yesterday.",
        "requester": {"name": "Customer", "email": f"customer{number}@example.com"},
        "source": {"channel": "api"},
        **fields,
    }
