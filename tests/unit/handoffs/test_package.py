"""What makes a package complete, and what customers are told."""

from functools import partial

import pytest

from escalation.handoffs.domain import Hypothesis, Package, StepTried
from escalation.handoffs.package import REQUIRED, change, completeness, missing
from escalation.handoffs.wording import LANGUAGES, say_who_helps

WHOLE = Package(
    restatement="r",
    impact_and_scope="i",
    environment={"version": "4"},
    timeline_summary="t",
    steps_tried=(StepTried(step="s", outcome="o"),),
    hypotheses=(Hypothesis(text="h"),),
    evidence=("e",),
    ask="a",
    customer_mood="m",
    promises_made=("p",),
    deadlines_left="d",
)


def test_nothing_and_everything() -> None:
    assert missing(Package()) == list(REQUIRED)
    assert completeness(Package()) == 0
    assert missing(WHOLE) == []
    assert completeness(WHOLE) == 1


def test_every_field_counts_alike() -> None:
    for name in REQUIRED:
        lacking = change(WHOLE, {name: getattr(Package(), name)})  # type: ignore[misc] - the names are the fields'
        assert missing(lacking) == [name]
        assert completeness(lacking) == pytest.approx(10 / 11)


def test_an_empty_list_says_none_but_not_of_what_was_tried_and_where() -> None:
    assert missing(change(WHOLE, {"hypotheses": (), "evidence": (), "promises_made": ()})) == []
    assert missing(change(WHOLE, {"environment": {}, "steps_tried": ()})) == ["environment", "steps_tried"]
    assert missing(change(WHOLE, {"ask": " \n"})) == ["ask"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["", "Ada {number} Byron"])
@pytest.mark.parametrize("tier", [1, 2, 3])
def test_the_notice_is_whole_in_every_language(language: str, name: str, tier: int) -> None:
    said = say_who_helps(language=language, number=1042, tier=tier, name=name, is_complete=True)
    short = say_who_helps(language=language, number=1042, tier=tier, name=name, is_complete=False)
    assert said.startswith(f"{short} ")
    assert short.endswith(".")
    assert "FL-1042" in said
    assert name in said
    assert said.replace(name or "\x00", "").count("{") == 0


def test_a_regional_tag_speaks_its_language_and_an_unknown_one_english() -> None:
    say = partial(say_who_helps, number=1, is_complete=True)
    assert say(language="de-AT", tier=1) == say(language="de", tier=1)
    assert say(language="tlh", tier=3).startswith("A senior specialist")
    assert say(language="", tier=1, name="Ada").startswith("Ada of our support team has taken")
