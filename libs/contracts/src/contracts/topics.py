"""The topics: one per producing service. Their partition counts never change after creation."""

from datetime import timedelta

import msgspec


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic, its producer and what it is created with."""

    name: str
    producer: str
    partitions: int = 24
    retention: timedelta = timedelta(days=14)


TOPICS = {
    "intake": Topic(name="support.intake.v1", producer="intake"),
    "routing": Topic(name="support.routing.v1", producer="routing"),
    "escalation": Topic(name="support.escalation.v1", producer="escalation"),
    "feedback": Topic(name="support.feedback.v1", producer="feedback"),
}
"""By producing service. A service joins when it publishes its first event type."""


def topic_name(service: str, prefix: str = "") -> str:
    """The live name of a service's topic, with the installation's prefix in front.

    Raises:
        KeyError: no service of that name publishes.
    """
    return prefix + TOPICS[service].name


def find_producer(topic: str) -> str | None:
    """The service that publishes to a topic, whatever the installation's prefix; None for a topic of nobody's."""
    return next((service for service, known in TOPICS.items() if topic.endswith(known.name)), None)
