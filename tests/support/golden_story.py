"""Golden events as one story: what the producers of a release might have told of one ticket and of those around it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from common.backbone.decoding import decode_record
from common.backbone.protocols import Delivery, Place, Record, Stream
from common.ids import new_id
from contracts.documents import KNOWN_VALUES, open_schema
from contracts.envelope import format_time
from contracts.escalation import HandoffRequested
from contracts.example_ids import HANDOFF, NOON
from contracts.registry import EVENT_TYPES
from contracts.releases import version_of
from contracts.topics import topic_name
from tests.support.golden import GOLDEN, golden_json, golden_record

Shown = Mapping[str, Any]
"""An event in CloudEvents' JSON format, as the feed shows it."""

LATER_WORD = "word_of_a_later_release"
LATER_FIELD = {"field_of_a_later_release": {"deep": [1, "two", None]}}

_ORDER = """
    webhook.endpoint_disabled requester.created requester.updated
    agent.registered agent.presence_changed agent.skill_changed agent.tier_changed agent.updated
    ticket.created sla.policy_applied sla.clock_started work.enqueued
    ticket.classified ticket.updated ticket.priority_changed work.requirements_relaxed work.unroutable
    assignment.offered assignment.declined assignment.offer_expired assignment.offer_rescinded
    assignment.accepted assignment.assigned assignment.weight_changed message.added
    sla.clock_paused sla.clock_resumed sla.deadline_changed sla.warning sla.met sla.met_withdrawn
    sla.breached sla.breach_withdrawn
    escalation.started escalation.step_fired notification.sent notification.failed escalation.level_changed
    escalation.acknowledged escalation.ack_expired escalation.round_repeated escalation.held escalation.exhausted
    escalation.completed escalation.stopped
    handoff.requested handoff.declined handoff.requested handoff.expired handoff.requested handoff.recalled
    handoff.requested handoff.withdrawn
    handoff.requested handoff.accepted handoff.package_completed handoff.returned handoff.completed
    assignment.unassigned ticket.status_changed ticket.resolved work.dequeued
    survey.scheduled survey.suppressed survey.sent survey.reminded survey.responded survey.amended
    survey.expired survey.cancelled followup.opened followup.reopen_requested followup.closed
    ticket.reopened sla.clock_cancelled ticket.cancelled ticket.restored ticket.closed
    agent.deactivated
"""
ORDER = tuple(f"support.{name}.v1" for name in _ORDER.split())
"""Every type. It need not be a likely story: what services tell crosses on its way."""


RELEASES = sorted({path.parts[-3] for path in GOLDEN}, key=version_of)
"""The versions with golden events of their own, the oldest first."""


def list_told(release: str) -> list[Shown]:
    """What the producers of a release tell, in the order of the story.

    A type has its golden event in the release with which it came or changed last.
    """
    newest: dict[str, Path] = {}
    for version in RELEASES[: RELEASES.index(release) + 1]:
        newest |= {path.stem: path for path in GOLDEN if path.parts[-3] == version}
    return [golden_json(newest[event_type]) for event_type in ORDER if event_type in newest]


class Numbering:
    """Makes records of golden events: each gets its place in its topic, its number, its time and its id."""

    def __init__(self) -> None:
        """Nothing has been told yet."""
        self._said: dict[UUID, UUID] = {}
        self._seqs = Counter[Stream]()
        self._offsets = Counter[Place]()

    def say(self, golden: UUID, known: UUID) -> None:
        """Say `known` from now on where the golden events say `golden`."""
        self._said[golden] = known

    def next(self, shown: Shown) -> Delivery:
        """The event as the next one of its subject."""
        if shown["type"] == HandoffRequested.event_type:
            self.say(HANDOFF, new_id())  # each request is another one's
        delivery = self.peek(shown)
        self._offsets[delivery.record.place] += 1
        self._seqs[delivery.stream] += 1
        return delivery

    def peek(self, shown: Shown) -> Delivery:
        """What would be the next one of its subject if this were told."""
        text = json.dumps(shown)
        for golden, known in self._said.items():
            text = text.replace(str(golden), str(known))
        told: dict[str, Any] = json.loads(text)
        producer = EVENT_TYPES[told["type"]].producer
        place = Place(topic_name(producer, ""), 0)
        told |= {
            "id": str(new_id()),
            "subjectseq": self._seqs[producer, told["subject"]] + 1,
            "time": format_time(NOON + timedelta(seconds=self._offsets.total())),
        }
        headers, value = golden_record(told)
        record = Record(
            place=place,
            offset=self._offsets[place],
            key=told["subject"].partition("/")[2].encode(),
            value=value,
            headers=headers,
            written_at_ms=0,
        )
        delivery = decode_record(record, {place.topic: producer})
        assert isinstance(delivery, Delivery), delivery
        return delivery


def list_forms(shown: Shown) -> list[Shown]:
    """The event as told, and in each form in which a release before or after might tell it."""
    data: dict[str, Any] = shown["data"]
    schema: Any = open_schema(shown["type"])
    required = {name: data[name] for name in data if name in schema["required"]}
    changed = [_with_word(data, path) for path in _words(schema, data, schema)]
    return [{**shown, "data": form} for form in (data, data | LATER_FIELD, required, *changed)]


def _words(schema: Any, value: Any, document: Any) -> Iterator[tuple[str | int, ...]]:
    """Where in a body a word of an open enumeration stands."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["$defs"][name]
    if KNOWN_VALUES in schema and isinstance(value, str):
        yield ()
    for choice in schema.get("anyOf", ()):
        yield from _words(choice, value, document)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from ((name, *path) for path in _words(inner, value[name], document))
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from ((index, *path) for path in _words(schema["items"], each, document))


def _with_word(value: Any, path: Sequence[str | int]) -> Any:
    if not path:
        return LATER_WORD
    changed = value.copy()
    changed[path[0]] = _with_word(value[path[0]], path[1:])
    return changed
