"""Made-up stories of tickets, told by the four services: for the tests of whatever folds what they say."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer

from common.ids import new_id
from contracts.envelope import Event
from contracts.escalation import (
    HandoffAccepted,
    HandoffRequested,
    HandoffReturned,
    SlaBreached,
    SlaBreachWithdrawn,
    SlaMet,
    SlaMetWithdrawn,
)
from contracts.feedback import Share, SurveyAmended, SurveyResponded, SurveySent
from contracts.intake import (
    MessageAdded,
    TicketClassified,
    TicketCreated,
    TicketPriorityChanged,
    TicketReopened,
    TicketResolved,
)
from contracts.registry import Body, encode_body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned, WorkEnqueued
from contracts.words import Source
from tests.support.backbone import headers_of

SERVICES = ("intake", "routing", "escalation", "feedback")
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
END = BEGIN + timedelta(hours=8)
_CATEGORIES = ("", "account", "none", "sync")
_PRIORITIES = ("low", "normal", "high", "urgent")
_CLOCK_KINDS = ("first_response", "next_response", "resolution", "handoff_accept")
_SPLITS = ((), (1.0,), (0.75, 0.25), (0.333333, 0.333333, 0.333334), (0.1, 0.2, 0.6))


@dataclass(frozen=True, kw_only=True)
class Saying:
    """One event: what is said, and when it happened."""

    body: Body
    at: datetime


Story = dict[str, list[Saying]]
"""What each service says of one ticket, in its order."""


def chance(seed: int) -> random.Random:
    """Reproducible chance."""
    return random.Random(seed)  # noqa: S311 - stories, not secrets


@dataclass(kw_only=True)
class Teller:
    """Tells stories in which every event is possible after those before it, by chance."""

    choice: random.Random
    agents: Sequence[UUID] = field(default_factory=lambda: [UUID(int=100 + n) for n in range(5)])
    desks: Sequence[UUID] = field(default_factory=lambda: [UUID(int=200 + n) for n in range(3)])

    def tell(self, ticket_id: UUID) -> Story:
        """A story of one ticket."""
        return {
            "intake": self._timed(self._intake(ticket_id)),
            "routing": self._timed(self._routing(ticket_id)),
            "escalation": self._timed(self._escalation(ticket_id)),
            "feedback": self._timed(self._feedback(ticket_id)),
        }

    def _timed(self, bodies: Sequence[Body]) -> list[Saying]:
        """Moments mostly ascend; some coincide, and now and then a machine's clock is behind another's."""
        at, sayings = self._moment(), list[Saying]()
        for body in bodies:
            at += timedelta(microseconds=self.choice.choice((0, 0, 1, 999_999, 7_000_000, 1_234_567_891, -50_000)))
            sayings.append(Saying(body=body, at=at))
        return sayings

    def _moment(self) -> datetime:
        # Few enough that moments of two services sometimes coincide.
        return BEGIN + timedelta(minutes=self.choice.randrange(60))

    def _id(self) -> UUID:
        return UUID(int=self.choice.getrandbits(128))

    def _some(self, most: int) -> range:
        return range(self.choice.randrange(most + 1))

    def _intake(self, ticket_id: UUID) -> list[Body]:
        created = TicketCreated(
            ticket_id=ticket_id,
            number=1,
            source=Source(channel="web"),
            requester_id=self._id(),
            impact=2,
            urgency=3,
            priority=self.choice.choice(_PRIORITIES),
            category=self.choice.choice(_CATEGORIES),
            proactive=self.choice.random() < 0.2,
        )
        told: list[Body] = [created]
        resolutions, standing = 0, False
        for _ in self._some(9):
            what = self.choice.randrange(5)
            if what == 0:
                told.append(self._classified(ticket_id))
            elif what == 1:
                old, new = self.choice.choice(_PRIORITIES), self.choice.choice(_PRIORITIES)
                told.append(TicketPriorityChanged(ticket_id=ticket_id, old=old, new=new, reason="matrix"))
            elif what == 2 and standing:
                standing = False
                told.append(
                    TicketReopened(ticket_id=ticket_id, reopen_count=resolutions, trigger="agent", since_resolved_s=1)
                )
            elif what == 2:
                resolutions, standing = resolutions + 1, True
                owner = self.choice.choice([None, *self.agents])
                told.append(
                    TicketResolved(
                        ticket_id=ticket_id, resolution_seq=resolutions, resolution_code="fixed", owner_id=owner
                    )
                )
            else:
                told.append(self._message(ticket_id))
        return told

    def _classified(self, ticket_id: UUID) -> TicketClassified:
        category = self.choice.choice(_CATEGORIES)
        return TicketClassified(
            ticket_id=ticket_id, category=category, component="", skills_required=(), tier_required=1, by="agent"
        )

    def _message(self, ticket_id: UUID) -> MessageAdded:
        author, direction = self.choice.choice(
            (("requester", "inbound"), ("agent", "outbound"), ("agent", "internal"), ("automation", "outbound"))
        )
        return MessageAdded(
            ticket_id=ticket_id,
            message_id=self._id(),
            direction=direction,
            author_type=author,
            author_id=self.choice.choice(self.agents) if author == "agent" else None,
            channel="web",
            counts_as_response=direction == "outbound" and self.choice.random() < 0.8,
            awaits_customer=False,
            ack_only=False,
        )

    def _routing(self, ticket_id: UUID) -> list[Body]:
        told: list[Body] = []
        held: AssignmentAssigned | None = None
        for _ in self._some(7):
            if self.choice.random() < 0.4:
                told.append(self._enqueued(ticket_id))
            elif held is not None and self.choice.random() < 0.4:
                told.append(_unassigned(held, "requeued"))
                held = None
            else:
                taken = AssignmentAssigned(
                    ticket_id=ticket_id,
                    assignment_id=self._id(),
                    agent_id=self.choice.choice(self.agents),
                    agent_tier=self.choice.randint(1, 3),
                    method="auto",
                    weight=2,
                )
                told.append(taken)
                if held is not None:
                    told.append(_unassigned(held, "handoff"))
                held = taken
        return told

    def _enqueued(self, ticket_id: UUID) -> WorkEnqueued:
        return WorkEnqueued(
            ticket_id=ticket_id,
            queue_id=self.choice.choice(self.desks),
            weight=2,
            skills=(),
            tier_required=1,
            cause="new",
            enqueued_at=BEGIN,
            deadline=END,
            kind=self.choice.choice(("own", "own", "handoff")),
        )

    def _escalation(self, ticket_id: UUID) -> list[Body]:
        clocks = [
            {"ticket_id": ticket_id, "clock_id": self._id(), "kind": self.choice.choice(_CLOCK_KINDS), "cycle": 1}
            for _ in self._some(3)
        ]
        told = [self._verdict(self.choice.choice(clocks)) for _ in self._some(6) if clocks]
        for _ in self._some(2):
            told += self._handoff(ticket_id)
        return told

    def _verdict(self, clock: dict[str, Any]) -> Body:
        judged = {
            "at": self._moment() + timedelta(seconds=self.choice.randrange(3)),
            "consumed_s": 1,
            "target_s": 2,
            "policy_id": UUID(int=9),
            "policy_version": 1,
        }
        match self.choice.randrange(5):
            case 0:
                return SlaBreachWithdrawn(**clock)
            case 1:
                return SlaMetWithdrawn(**clock)
            case 2:
                return SlaMet(**clock, **judged)
            case _:
                cause = self.choice.choice(("time", "policy_change", "late_event"))
                return SlaBreached(**clock, **judged, cause=cause)

    def _handoff(self, ticket_id: UUID) -> list[Body]:
        giver, taker = self.choice.sample(self.agents, 2)
        names = {"ticket_id": ticket_id, "handoff_id": self._id(), "from_agent_id": giver}
        requested = HandoffRequested(
            **names,
            tier_required=2,
            reason_code="needs_expertise",
            completeness=1.0,
            emergency=False,
            deadline=END,
            expires_at=END,
            return_of=self._id() if self.choice.random() < 0.2 else None,
        )
        accepted = HandoffAccepted(**names, agent_id=taker, assignment_id=self._id(), agent_tier=3)
        returned = HandoffReturned(
            **names, agent_id=taker, reason_code="wrong_skill", return_handoff_id=self._id(), has_teaching_note=True
        )
        return [requested, accepted, returned][: self.choice.randint(1, 3)]

    def _feedback(self, ticket_id: UUID) -> list[Body]:
        told: list[Body] = []
        for _ in self._some(2):
            names = {
                "ticket_id": ticket_id,
                "survey_id": self._id(),
                "kind": self.choice.choice(("csat_5", "csat_5", "thumbs", "nps_11")),
                "resolution_seq": self.choice.randint(1, 3),
                "requester_id": UUID(int=1),
            }
            if self.choice.random() < 0.9:
                told.append(SurveySent(**names, message_id=self._id(), expires_at=END))
            for version in range(1, self.choice.randint(1, 3)):
                answer = SurveyResponded if version == 1 else SurveyAmended
                told.append(answer(**names, **self._answer(version)))
        return told

    def _answer(self, version: int) -> dict[str, Any]:
        split = self.choice.choice(_SPLITS)
        owners = self.choice.sample(self.agents, len(split))
        score = self.choice.randint(1, 5)
        return {
            "version": version,
            "score": score,
            "scale_min": 1,
            "scale_max": 5,
            "normalised": (score - 1) / 4,
            "is_positive": score >= 4,
            "reasons": (),
            "has_comment": False,
            "reopen_consent": False,
            "attribution": tuple(
                Share(agent_id=agent, share=share) for agent, share in zip(owners, split, strict=True)
            ),
        }


def _unassigned(held: AssignmentAssigned, reason: str) -> AssignmentUnassigned:
    return AssignmentUnassigned(
        ticket_id=held.ticket_id, assignment_id=held.assignment_id, agent_id=held.agent_id, reason=reason
    )


def as_events(story: Story, ticket_id: UUID) -> dict[str, list[Event]]:
    """A story as the four services publish it, numbered."""
    return {
        service: [
            Event(
                id=new_id(),
                source=f"/frontline/test/{service}",
                type=saying.body.event_type,
                subject=f"ticket/{ticket_id}",
                seq=seq,
                time=saying.at,
                data=encode_body(saying.body),
            )
            for seq, saying in enumerate(sayings, start=1)
        ]
        for service, sayings in story.items()
    }


async def publish_streams(bootstrap: str, topic: str, streams: Sequence[Sequence[Event]], *, seed: int) -> None:
    """Write streams to a topic, mixed by chance, each in its order, with stretches that come again."""
    choice = chance(seed)
    waiting = [list(stream) for stream in streams if stream]
    mixed: list[Event] = []
    while waiting:
        stream = choice.choice(waiting)
        mixed.append(stream.pop(0))
        if not stream:
            waiting.remove(stream)
        if choice.random() < 0.05:
            mixed += mixed[-20:]
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        for event in mixed:
            await producer.send(topic, event.data, key=event.subject_id.encode(), headers=headers_of(event))
        await producer.flush()
    finally:
        await producer.stop()
