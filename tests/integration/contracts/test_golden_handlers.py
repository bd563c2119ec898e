"""Whatever a release has told, the handlers of this one take: alone and in batches, at its place in a story or at
none, in each form in which a release before or after may tell it."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from contracts.registry import EVENT_TYPES
from tests.integration.contracts.conftest import Reader
from tests.support.golden_story import ORDER, RELEASES, Shown, list_forms, list_told
from tests.support.services import SERVICES, compose

SAY_NOTHING_NEW = {
    "intake": set[str](),
    "routing": {"support.ticket.classified.v1"},
    "escalation": {
        "support.agent.tier_changed.v1",
        # These are about owning the ticket, and only those about a handoff are followed.
        "support.assignment.declined.v1",
        "support.assignment.offer_expired.v1",
        "support.assignment.offer_rescinded.v1",
        "support.assignment.offered.v1",
        "support.work.dequeued.v1",
        # No run of an escalation waits for them, and no handoff for a resolution.
        "support.sla.clock_cancelled.v1",
        "support.sla.clock_resumed.v1",
        "support.ticket.resolved.v1",
    },
    "feedback": {
        "support.ticket.classified.v1",
        "support.ticket.closed.v1",  # there is no survey left that it would end
    },
}
"""Types that a service reads and that change nothing in the story: their golden events say what was so already, or are
about what is not there. The tests of the service itself show what they do."""


Story = list[Shown]


def _list_stories() -> Iterator[tuple[str, str, Story, Story]]:
    """For each release that told a service something new: service, release, what it reads, and what of that is new."""
    for service in SERVICES:
        handlers = compose(service, clients_file=Path("unused")).handlers
        types = frozenset[str]().union(*(handler.types for handler in handlers))
        former: Story = []
        for release in RELEASES:
            story = [shown for shown in list_told(release) if shown["type"] in types]
            if new := [shown for shown in story if shown not in former]:
                yield service, release, story, new
            former = story


STORIES = {f"{service} {release}": (service, story, new) for service, release, story, new in _list_stories()}
NEWEST = {service: (service, story) for service, story, _ in STORIES.values()}


def test_the_story_tells_of_every_type() -> None:
    assert set(ORDER) == set(EVENT_TYPES)


@pytest.mark.parametrize(("reader", "story", "new"), STORIES.values(), ids=STORIES, indirect=["reader"])
async def test_each_event_is_understood(reader: Reader, story: Story, new: Story) -> None:
    """Before anything is known of its subject, in each of its forms at its place in the story, and when all is over."""
    await _try(reader, new, "before all")
    for shown in story:
        if shown in new:
            await _try(reader, list_forms(shown), "in its place")
        await reader.read(reader.numbering.next(shown))
    await _try(reader, new, "after all")
    assert await reader.list_kept_back() == []
    told = {shown["type"] for shown in story}
    assert told - {event_type for _, event_type in reader.effects} == told & SAY_NOTHING_NEW[reader.service.name]


@pytest.mark.parametrize(("reader", "story"), NEWEST.values(), ids=NEWEST, indirect=["reader"])
async def test_a_story_is_read_in_batches(reader: Reader, story: Story) -> None:
    for _, batch in groupby(story, lambda shown: EVENT_TYPES[shown["type"]].producer):
        await reader.read(*(reader.numbering.next(shown) for shown in batch))
    assert await reader.list_kept_back() == []


async def _try(reader: Reader, forms: Sequence[Shown], when: str) -> None:
    failed = await reader.try_each([reader.numbering.peek(form) for form in forms])
    assert not failed, "\n".join(f"{when}: {fault}" for fault in failed)
