"""One ticket's whole course, chosen by seed and number: what people will do, not when the platform lets them."""

import random
from dataclasses import dataclass

from devstack.demo.cases import CASES, Case, Words

MID, SENIOR = 2, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Story:
    """What happens on one ticket.

    `arrives_s` counts from the start of the play. `tier` is the lowest tier that can solve it; an owner below that
    hands it over. `declines` is how many receivers decline first, `returned` whether who accepted gives it back with a
    teaching note. `score` is on 1-5, None for a customer who does not answer; `second_score` is what they make of it
    when they think again. `reopens`: the customer writes once more after the resolution.
    """

    number: int
    case: Case
    language: str
    impact: int
    urgency: int
    arrives_s: float
    tier: int
    questions: int
    attempts: int
    declines: int
    returned: bool
    withdrawn_first: bool
    on_hold: bool
    thanks: bool
    reopens: bool
    cancelled: bool
    score: int | None
    second_score: int | None
    consents: bool
    comment: str

    @property
    def words(self) -> Words:
        """The case in the customer's language."""
        return self.case.words[self.language]


def write_story(seed: int, number: int, *, rate: float) -> Story:
    """The story of a ticket; the same for the same seed, number and rate.

    Args:
        number: from 1.
        rate: tickets a second at which customers arrive.
    """
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - a play that can be repeated, no secret
    case = chance.choice(CASES)
    hard = chance.random() < case.hard
    tier = chance.choice((MID, SENIOR)) if hard else 1
    answers = chance.random() < 0.7
    score = chance.choices((1, 2, 3, 4, 5), weights=(8, 10, 17, 30, 35))[0] if answers else None
    return Story(
        number=number,
        case=case,
        language=chance.choices(("en", "de"), weights=(7, 3))[0],
        impact=_near(case.impact, chance),
        urgency=_near(case.urgency, chance),
        arrives_s=(number - 1 + chance.random()) / rate,
        tier=tier,
        questions=chance.choices((0, 1, 2), weights=(3, 5, 2))[0],
        attempts=chance.randint(1, len(case.words["en"].attempts)),
        declines=chance.choices((0, 1, 2), weights=(70, 22, 8))[0] if hard else 0,
        returned=hard and chance.random() < 0.15,
        withdrawn_first=hard and chance.random() < 0.06,
        on_hold=chance.random() < 0.06,
        thanks=chance.random() < 0.3,
        reopens=chance.random() < 0.08,
        cancelled=chance.random() < 0.02,
        score=score,
        second_score=_another(score) if score is not None and chance.random() < 0.1 else None,
        consents=chance.random() < 0.5,
        comment=chance.choice(("", "", "Quick and friendly.", "I had to explain it twice.")) if answers else "",
    )


def _another(score: int) -> int:
    """Better by two, or where there is nothing so good, a little worse: an equal one would be no change."""
    return score + 2 if score <= 3 else score - 1


def _near(level: int, chance: random.Random) -> int:
    return max(1, min(4, level + chance.choice((-1, 0, 0, 1))))
