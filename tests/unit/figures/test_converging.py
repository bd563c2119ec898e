"""What is kept of a ticket does not depend on how the topics interleave, and what counts is what the page says."""

import json
import random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.registry import encode_body
from feedback.figures.domain import Observation
from feedback.figures.facts import FOLLOWED, Facts, follow
from feedback.figures.observing import observe
from tests.support.recount import Counted, Told, recount
from tests.support.stories import SERVICES, Saying, Story, Teller, chance

TICKET = UUID(int=42)
SEEDS = st.integers(0, 2**32)


def interleave(story: Story, choice: random.Random) -> list[Saying]:
    """One way in which the four topics may arrive, with stretches that come again, as the backbone hands them on."""
    waiting = {service: list(enumerate(story[service])) for service in SERVICES}
    seen = dict.fromkeys(SERVICES, 0)
    arrived: list[Saying] = []
    while open_ones := [service for service in SERVICES if waiting[service]]:
        service = choice.choice(open_ones)
        place, saying = waiting[service].pop(0)
        if place < seen[service]:
            continue  # a repeat, which the backbone drops by its number
        seen[service] = place + 1
        arrived.append(saying)
        if choice.random() < 0.3:
            since = choice.randrange(place + 1)
            waiting[service][:0] = list(enumerate(story[service]))[since : place + 1]
    return arrived


def fold(sayings: list[Saying]) -> Facts:
    """The facts after all of it."""
    facts = Facts()
    for saying in sayings:
        facts = follow(facts, saying.body, at=saying.at)
    return facts


def told(sayings: list[Saying]) -> list[Told]:
    """The same, as a reader of the topic finds it."""
    return [
        Told(
            type=saying.body.event_type.removeprefix("support.").removesuffix(".v1"),
            at=saying.at,
            data=json.loads(encode_body(saying.body)),
        )
        for saying in sayings
    ]


def as_counted(observed: Observation) -> Counted:
    """An observation in the recount's words."""
    return Counted(
        figure=observed.definition,
        ticket=str(observed.ticket_id),
        key=observed.key,
        at=observed.at,
        numerator=observed.numerator,
        denominator=observed.denominator,
        parts=observed.parts,
        microseconds=observed.microseconds,
        queue=str(observed.queue_id) if observed.queue_id else None,
        tier=observed.tier,
        category=observed.category,
        priority=observed.priority,
        agent=str(observed.agent_id) if observed.agent_id else None,
        clock=observed.clock or None,
    )


@settings(max_examples=300)
@given(seed=SEEDS, one=SEEDS, other=SEEDS)
def test_any_interleaving_of_the_topics_ends_in_the_same(seed: int, one: int, other: int) -> None:
    story = Teller(choice=chance(seed)).tell(TICKET)
    first, second = fold(interleave(story, chance(one))), fold(interleave(story, chance(other)))
    assert first == second
    assert observe(TICKET, first) == observe(TICKET, second)


@settings(max_examples=300)
@given(seed=SEEDS, order=SEEDS)
def test_what_counts_is_what_an_independent_reader_of_the_topics_counts(seed: int, order: int) -> None:
    story = Teller(choice=chance(seed)).tell(TICKET)
    observed = [as_counted(each) for each in observe(TICKET, fold(interleave(story, chance(order))))]
    expected = recount({service: {str(TICKET): told(story[service])} for service in SERVICES})
    assert sorted(observed, key=lambda each: each.identity) == sorted(expected, key=lambda each: each.identity)


@settings(max_examples=100)
@given(seed=SEEDS)
def test_an_observation_has_one_identity(seed: int) -> None:
    observed = observe(TICKET, fold(interleave(Teller(choice=chance(seed)).tell(TICKET), chance(seed))))
    assert len({each.identity for each in observed}) == len(observed)


def test_the_stories_tell_every_event_that_is_followed() -> None:
    """Else the properties above would hold for want of anything to hold."""
    teller = Teller(choice=chance(1))
    stories = [teller.tell(TICKET) for _ in range(300)]
    found = {type(saying.body) for story in stories for sayings in story.values() for saying in sayings}
    assert found == set(FOLLOWED)
