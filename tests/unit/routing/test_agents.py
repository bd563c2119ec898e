"""What changes an agent, and what it tells."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from routing.agents import domain
from routing.agents.domain import Agent, AgentInactive, Load

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def agent(**given: Any) -> Agent:
    """An agent who is online."""
    values: dict[str, Any] = {
        "agent_id": UUID(int=1),
        "name": "Ada",
        "email": "",
        "tier": 1,
        "max_weight": 2,
        "max_offers": 1,
        "teams": (),
        "languages": (),
        "presence": "online",
        "presence_since": NOW,
        "idle_since": NOW,
        "created_at": NOW,
    }
    return Agent(**{**values, **given})


def test_room_is_counted_in_quarters() -> None:
    assert agent(load_quarters=4).has_room(4)
    assert not agent(load_quarters=5).has_room(4)


def test_changing_the_entry_moves_both_versions_and_tells_the_tier_apart() -> None:
    changed, events = domain.change_entry(agent(), {"tier": 2, "teams": ("night",)})
    assert (changed.version, changed.facts_version, len(events)) == (2, 2, 2)
    assert domain.change_entry(changed, {"tier": 2}) == (changed, ())


def test_presence_moves_the_facts_but_not_the_version() -> None:
    away, events = domain.set_presence(agent(offers_missed=1), "away", set_by="agent", at=NOW + timedelta(hours=1))
    assert (away.version, away.facts_version, away.offers_missed, len(events)) == (1, 2, 0, 1)
    assert domain.set_presence(away, "away", set_by="agent", at=NOW) == (away, ())


def test_a_skill_comes_and_goes() -> None:
    skilled, events = domain.set_skill(agent(), "net", 3, approved_by="client:x")
    assert (dict(skilled.skills), len(events)) == ({"net": 3}, 1)
    assert domain.set_skill(skilled, "net", 3, approved_by="") == (skilled, ())
    assert dict(domain.set_skill(skilled, "net", 0, approved_by="")[0].skills) == {}


def test_who_left_stays_gone() -> None:
    gone, events = domain.deactivate(agent(), at=NOW)
    assert (gone.active, gone.presence, len(events)) == (False, "offline", 2)
    assert domain.deactivate(gone, at=NOW) == (gone, ())
    for attempt in (
        lambda: domain.set_presence(gone, "online", set_by="agent", at=NOW),
        lambda: domain.set_skill(gone, "net", 1, approved_by=""),
        lambda: domain.change_entry(gone, {"tier": 2}),
    ):
        with pytest.raises(AgentInactive):
            attempt()


def test_loads_add_up() -> None:
    both = Load(quarters=4, taken_at=NOW).plus(Load(quarters=-4, offers=1, taken_at=NOW + timedelta(seconds=1)))
    assert both == Load(quarters=0, offers=1, taken_at=NOW + timedelta(seconds=1))
    assert Load(quarters=4).plus(Load(quarters=-4)).is_nothing
