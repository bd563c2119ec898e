"""Which desk gets a ticket, and what desk and ticket ask for together."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from contracts.words import SkillNeed
from routing.queues.domain import (
    DEFAULT_TAU_S,
    CatchAllFixed,
    Queue,
    change_queue,
    choose_queue,
    combine_needs,
    weight_of,
)


def queue(**given: Any) -> Queue:
    """A desk."""
    values: dict[str, Any] = {
        "queue_id": UUID(int=1),
        "pool": "default",
        "name": "desk",
        "match": {},
        "priority": 50,
        "mode": "auto",
        "required_skills": (),
        "primary_teams": (),
        "overflow_teams": (),
        "tau_s": DEFAULT_TAU_S,
        "offer_life_s": 120,
        "exclusion_s": 600,
        "created_at": datetime(2026, 3, 1, tzinfo=UTC),
    }
    return Queue(**{**values, **given})


def test_the_first_desk_whose_rule_holds_is_chosen() -> None:
    network = queue(name="network", match={"category": {"eq": "network"}, "impact": {"in": [1, 2]}})
    rest = queue(name="rest", catch_all=True)
    assert choose_queue([network, rest], {"category": "network", "impact": 2}).name == "network"
    assert choose_queue([network, rest], {"category": "network", "impact": 3}).name == "rest"
    assert choose_queue([rest], {}).name == "rest"


def test_needs_combine_by_the_higher_levels() -> None:
    desk = queue(required_skills=(SkillNeed(skill="net", level=2, hard_level=2), SkillNeed(skill="x")))
    combined = combine_needs(desk, (SkillNeed(skill="net", level=4), SkillNeed(skill="a", level=1)))
    assert [(need.skill, need.level, need.hard_level) for need in combined] == [
        ("a", 1, 0),
        ("net", 4, 2),
        ("x", 1, 0),
    ]


def test_priorities_of_a_later_release_count_as_normal() -> None:
    assert weight_of("cosmic") == weight_of("normal") == 2
    assert queue().target_s("cosmic") == 3_600


def test_the_catch_all_keeps_its_rule_and_place() -> None:
    rest = queue(catch_all=True)
    with pytest.raises(CatchAllFixed):
        change_queue(rest, {"match": {"category": {"eq": "x"}}})
    with pytest.raises(CatchAllFixed):
        change_queue(rest, {"priority": 1})
    assert change_queue(rest, {"mode": "offer"}).version == 2
    assert change_queue(rest, {"mode": "auto"}) is rest
