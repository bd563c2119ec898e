"""The demo's own agents, desk and survey policy. Nobody else is given the demo's work.

A desk that names no teams is served by every agent who is online, the demo's too; nothing that routing knows of an
agent could keep them from it. So the floor opens only where nothing waits at such a desk, unless it is told to open all
the same, and gives back at its end what its agents were given meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import Refused
from common.ids import new_id
from devstack.client import JsonObject
from devstack.demo.cases import CASES
from devstack.demo.people import House, Person, until

SYSTEM = "demo"
TEAM = "demo"
_DESK = "Demo"
_POLICY = "Demo"
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


async def open_floor(house: House, *, among_others: bool) -> dict[str, Agent]:
    """Make what is missing, and put everybody online; returns the agents by id.

    Args:
        among_others: whether to open although other people's tickets wait where the demo's agents serve.
    Raises:
        Refused: an entry is not accepted; `others_wait`.
        Unavailable: a service is away.
    """
    lead = Person(house=house)
    desks = await lead.list_all("routing", "/v1/queues")
    if not among_others:
        await _check_nobody_waits(lead, desks)
    for skill in sorted({case.skill for case in CASES}):
        await _make(lead, "/v1/skills", {"name": skill}, key=f"demo-skill-{skill}", unless="skill_exists")
    staff: dict[str, Agent] = {}
    known = {each["email"]: each for each in await lead.list_all("routing", "/v1/agents") if each["active"]}
    for tier, word, count in _STAFF:
        for number in range(1, count + 1):
            agent = await _hire(lead, known, tier=tier, slug=f"demo-{word}-{number}", name=f"Demo {word} {number}")
            staff[agent.agent_id] = agent
    if not any(desk["name"] == _DESK for desk in desks):
        desk = {"name": _DESK, "priority": 1, "match": {"system": {"eq": SYSTEM}}, "primary_teams": [TEAM]}
        await lead.send("routing", "/v1/queues", desk, key="demo-desk")
    await _shorten_surveys(lead)
    return staff


async def close_floor(house: House, staff: Mapping[str, Agent], *, run: str) -> None:
    """Everybody goes home, and leaves nobody else's ticket without an agent who is there.

    Args:
        run: names this play in keys; under the key of an earlier one nobody would go home a second time.
    """
    lead = Person(house=house)
    for agent_id in staff:
        path = f"/v1/agents/{agent_id}/presence"
        await lead.send("routing", path, {"presence": "offline"}, key=f"{run}-home-{agent_id}", method="PUT")
    for agent_id in staff:
        for owned in await lead.list_all("routing", f"/v1/agents/{agent_id}/work"):
            ticket = await lead.get("intake", f"/v1/tickets/{owned['ticket_id']}")
            if ticket["source"]["system"] != SYSTEM:
                await _give_back(lead, owned["ticket_id"], agent_id, run=run)


async def _check_nobody_waits(lead: Person, desks: Sequence[JsonObject]) -> None:
    for desk in desks:
        teams = {*desk["primary_teams"], *desk["overflow_teams"]}
        if desk["name"] == _DESK or (desk["primary_teams"] and TEAM not in teams):
            continue
        stats = await lead.get("routing", f"/v1/queues/{desk['queue_id']}/stats")
        if waiting := stats["waiting"] + stats["paused"]:
            raise Refused(
                f"{waiting} tickets wait at the desk {desk['name']}, and the demo's agents would be given them: "
                "name the teams that serve it, or open the floor among others",
                code="others_wait",
            )


async def _give_back(lead: Person, ticket_id: str, agent_id: str, *, run: str) -> None:
    path = f"/v1/work-items/{ticket_id}"

    async def once() -> bool | None:
        work = await lead.get("routing", path)
        if work["assignment"] is None or work["assignment"]["agent_id"] != agent_id:
            return True
        try:
            key = f"{run}-back-{ticket_id}-{work['version']}"
            await lead.send("routing", f"{path}/unassign", key=key, version=work["version"])
        except Refused as refused:
            if refused.code not in ("stale_version", "not_assigned", "work_done"):
                raise
            return None
        return True

    await until(once, what=f"{ticket_id} to be given back", within_s=lead.house.patience_s)


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
    made = next((policy for policy in policies if policy["name"] == _POLICY), None)
    if made is None:
        body = {"name": _POLICY, "priority": 1, "match": {"system": {"eq": SYSTEM}}} | _QUICK_SURVEY
        made = await lead.send("feedback", "/v1/survey-policies", body, key="demo-survey-policy")
    # An earlier run may have ended between the two steps, or somebody has retired it since: a new key hears the truth.
    if made["active_version"] is None:
        path = f"/v1/survey-policies/{made['policy_id']}/versions/{made['versions'][-1]['version']}/activate"
        await lead.send("feedback", path, key=f"demo-survey-policy-on-{new_id()}")


async def _make(lead: Person, path: str, body: Mapping[str, object], *, key: str, unless: str) -> None:
    try:
        await lead.send("routing", path, body, key=key)
    except Refused as refused:
        if refused.code != unless:
            raise
