"""The demo's own agents, desk and survey policy: nobody else's work is touched, and nobody else is given the demo's."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import Refused
from devstack.client import JsonObject
from devstack.demo.cases import CASES
from devstack.demo.people import House, Person

SYSTEM = "demo"
TEAM = "demo"
_MAX_WEIGHT = 80
_STAFF = ((1, "entry", 6), (2, "mid", 4), (3, "senior", 4))
"""Tier, its word, how many."""
_QUICK_SURVEY = {
    "kind": "csat_5", "delay_s": 2, "local_hours": None, "throttle_s": 0, "reminder_after_s": None,
    "life_s": 86_400, "sample_percent": 100,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Agent:
    """An agent of the floor."""

    agent_id: str
    name: str
    tier: int


async def open_floor(house: House) -> dict[str, Agent]:
    """Make what is missing, and put everybody online; returns the agents by id.

    Raises:
        Refused: an entry is not accepted.
        Unavailable: a service is away.
    """
    lead = Person(house=house)
    for skill in sorted({case.skill for case in CASES}):
        await _make(lead, "/v1/skills", {"name": skill}, key=f"demo-skill-{skill}", unless="skill_exists")
    staff: dict[str, Agent] = {}
    known = {each["email"]: each for each in await lead.list_all("routing", "/v1/agents") if each["active"]}
    for tier, word, count in _STAFF:
        for number in range(1, count + 1):
            agent = await _hire(lead, known, tier=tier, slug=f"demo-{word}-{number}", name=f"Demo {word} {number}")
            staff[agent.agent_id] = agent
    desks = await lead.list_all("routing", "/v1/queues")
    if not any(desk["name"] == "Demo" for desk in desks):
        desk = {"name": "Demo", "priority": 1, "match": {"system": {"eq": SYSTEM}}, "primary_teams": [TEAM]}
        await lead.send("routing", "/v1/queues", desk, key="demo-desk")
    await _shorten_surveys(lead)
    return staff


async def close_floor(house: House, staff: Mapping[str, Agent]) -> None:
    """Everybody goes home."""
    lead = Person(house=house)
    for agent_id in staff:
        path = f"/v1/agents/{agent_id}/presence"
        await lead.send("routing", path, {"presence": "offline"}, key=f"home-{agent_id}", method="PUT")


async def _hire(lead: Person, known: Mapping[str, JsonObject], *, tier: int, slug: str, name: str) -> Agent:
    email = f"{slug}@support.example"
    found = known.get(email)
    if found is None:
        body: dict[str, object] = {
            "name": name,
            "email": email,
            "tier": tier,
            "teams": [TEAM],
            "languages": ["en", "de"],
            "skills": {case.skill: min(5, tier + 2) for case in CASES},
            "max_weight": _MAX_WEIGHT,
            "max_offers": 20,
            "presence": "online",
        }
        found = await lead.send("routing", "/v1/agents", body, key=f"hire-{slug}")
    elif found["presence"] != "online":
        path, key = f"/v1/agents/{found['agent_id']}/presence", f"come-{slug}-{found['presence_since']}"
        await lead.send("routing", path, {"presence": "online"}, key=key, method="PUT")
    return Agent(agent_id=found["agent_id"], name=name, tier=tier)


async def _shorten_surveys(lead: Person) -> None:
    policies = await lead.list_all("feedback", "/v1/survey-policies")
    if any(policy["name"] == "Demo" for policy in policies):
        return
    body = {"name": "Demo", "priority": 1, "match": {"system": {"eq": SYSTEM}}} | _QUICK_SURVEY
    made = await lead.send("feedback", "/v1/survey-policies", body, key="demo-survey-policy")
    path = f"/v1/survey-policies/{made['policy_id']}/versions/1/activate"
    await lead.send("feedback", path, key="demo-survey-policy-on")


async def _make(lead: Person, path: str, body: Mapping[str, object], *, key: str, unless: str) -> None:
    try:
        await lead.send("routing", path, body, key=key)
    except Refused as refused:
        if refused.code != unless:
            raise
