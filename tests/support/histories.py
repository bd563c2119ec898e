"""Whole, healthy histories of runs under faults, made up from a seed: for tests of what judges histories."""

import hashlib
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.history import digest_events

Line = dict[str, Any]

CONSUMERS = {
    "intake": ["escalation", "routing"],
    "routing": ["escalation", "intake"],
    "escalation": ["intake", "routing"],
    "feedback": ["escalation", "intake", "routing"],
}
START = 1_700_000_000.0
_FORGED_AHEAD = 9
"""Beyond the last number that a ticket here ever has."""


@dataclass(kw_only=True)
class Made:
    """A history as it grows.

    Attributes:
        poisoned: subjects of intake's topic that are parked, and why.
        last_applied: by consumer and such a subject, the last number of intake's topic that it ever applies.
    """

    chance: random.Random
    now: float = START
    fault: str = ""
    lines: list[Line] = field(default_factory=list[Line])
    archives: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    offsets: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    rows: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    poisoned: dict[str, str] = field(default_factory=dict[str, str])
    last_applied: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    def id(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128)))

    def publish(self, source: str, subject: str, kind: str, data: Line) -> Line:
        """One event into its topic, sometimes twice, and its effects."""
        self.now += 0.01
        digest = hashlib.sha256(json.dumps([kind, data]).encode()).hexdigest()
        line = self.record(
            source,
            subject,
            seq=len(self.archives[source, subject]) + 1,
            type=f"support.{kind}.v1",
            digest=digest,
            data=data,
        )
        self.archives[source, subject].append(line["event_id"])
        if self.chance.random() < 0.1:
            self.record(source, subject, **{name: line[name] for name in ("seq", "event_id", "type", "digest", "data")})
        for consumer, sources in CONSUMERS.items():
            last = self.last_applied.get((consumer, subject), line["seq"]) if source == "intake" else line["seq"]
            if source in sources and line["seq"] <= last:
                self.rows[consumer] += self.chance.choice((1, 1, 3))
                self.add(
                    "effect",
                    consumer=consumer,
                    source=source,
                    subject=subject,
                    seq=line["seq"],
                    event_id=line["event_id"],
                    applied_at=self.now + self.chance.random() * 0.2,
                    row=self.rows[consumer],
                )
        return line

    def record(self, source: str, subject: str, **fields: Any) -> Line:
        """One record at the next offset of its subject's partition."""
        partition = int(hashlib.sha256(subject.encode()).hexdigest(), 16) % 6
        self.offsets[source, partition] += 1
        place = {"partition": partition, "offset": self.offsets[source, partition], "written_at": self.now}
        filled = {"event_id": self.id(), "type": "", "data": {}, "forged": False, **fields}
        return self.add("published", source=source, subject=subject, **place, **filled)

    def forge(self, subject: str, *, reason: str, seq: int) -> list[list[Any]]:
        """A record by hand into intake's topic, that parks the subject at all who read it.

        What comes later fills a gap, and may be applied already where somebody looks.
        """
        self.record("intake", subject, seq=seq, digest=f"forged-{reason}", forged=True)
        self.poisoned[subject] = reason
        readers = ("routing", "escalation", "feedback")
        for reader in readers:
            self.last_applied[reader, subject] = self.chance.randint(1, seq) if reason == "gap" else 0
        return [[reader, "intake", subject, reason] for reader in readers]

    def call(self, what: str, outcome: str, event: Line | None = None, **fields: Any) -> Line:
        """One call; an unknown outcome names neither subject nor event."""
        self.now += 0.01
        known = outcome == "ok" and event is not None
        filled = {
            "key": self.id(),
            "subject": event["subject"] if known else "",
            "seq": event["seq"] if known else None,
            "source": event["source"] if known else "",
            "status": {"ok": 201, "fail": 422, "unknown": None}[outcome],
            **fields,
        }
        times = {"invoked_at": self.now - 0.02, "completed_at": self.now + 0.001}
        ids = {"fault": self.fault, "process": "client-1", "id": self.id()}
        return self.add("operation", what=what, outcome=outcome, **ids, **times, **filled)

    def show(self, service: str, subject: str, values: Line) -> Line:
        """What a service shows of a subject at the end, and what its archive holds of it."""
        events = list(enumerate(self.archives[service, subject], start=1))
        fields = {"service": service, "subject": subject, "values": values, "seq": len(events)}
        return {"kind": "state", **fields, "digest": digest_events(events)}

    def look(self) -> None:
        """How far everybody has read by now."""
        for consumer, row in self.rows.items():
            self.add("offsets", service=consumer, at=self.now, offsets={"intake/0": row})

    def add(self, kind: str, **fields: Any) -> Line:
        self.lines.append({"kind": kind, **fields})
        return self.lines[-1]


def make_history(seed: int, *, tickets: int = 12) -> list[Line]:
    """The lines of a healthy run of three windows (a kill, poison, one not run), with unknown outcomes either way."""
    made = Made(chance=random.Random(seed))  # noqa: S311 - made-up data, no secret
    bounds = {"drain_factor": 2.0, "drain_extra_s": 10.0, "bystander_s": 2.0}
    made.add("run", seed=seed, commit="0000000", started_at=START, bounds=bounds, consumers=dict(CONSUMERS))
    shown: list[Line] = []
    keys: dict[str, str] = {}
    for fault, poisons in (("kill-relay", False), ("poison", True)):
        began, made.fault = made.now, fault
        made.now += 1
        poison: list[list[Any]] = []
        for number in range(tickets // 2):
            forged = ("undecodable", "fork", "gap")[number] if poisons and number < 3 else ""
            shown.append(_make_ticket(made, keys, forged=forged, poison=poison))
        made.call("open", "fail")
        made.call("open", "unknown")
        made.look()
        made.add(
            "fault", fault=fault, began_at=began, ended_at=made.now, quiet_at=made.now + 3, ran=True, why_not="",
            detail="", poison=poison, poison_records=3 if poisons else 0,
        )  # fmt: skip
        if poisons:
            made.record("intake", "", seq=0, digest="noise", forged=True)
        made.now += 5
    made.add(
        "fault", fault="disk-full", began_at=made.now, ended_at=None, quiet_at=None, ran=False,
        why_not="needs a small volume", detail="", poison=[], poison_records=0,
    )  # fmt: skip
    made.look()
    made.lines += shown
    made.lines += [made.show(*stream, {}) for stream in list(made.archives) if stream[0] != "intake"]
    for service in CONSUMERS:
        is_reader = service != "intake"
        parked = [["intake", subject, reason] for subject, reason in made.poisoned.items()] if is_reader else []
        made.add(
            "tables", service=service, outbox=0, lag=0, below_floor=0, forks=int(is_reader), gaps=int(is_reader),
            parked=parked, parkings=list(parked), poison_records=int(is_reader),
            known_keys=keys if service == "intake" else {},
        )  # fmt: skip
    return made.lines


def _make_ticket(made: Made, keys: dict[str, str], *, forged: str, poison: list[list[Any]]) -> Line:
    """One ticket's life: opened, perhaps assigned, moved, handed off; returns what intake shows of it."""
    ticket, agent, assignment = made.id(), made.id(), made.id()
    subject, key = f"ticket/{ticket}", made.id()
    created = made.publish("intake", subject, "ticket.created", {"ticket_id": ticket, "priority": "normal"})
    values: Line = {"status": "new", "priority": "normal", "owner_id": None, "routing_state": "none"}
    if made.chance.random() < 0.3:
        made.call("open", "unknown", key=key)
        if made.chance.random() < 0.5:
            made.call("open", "ok", created, key=key, seq=1)
        keys[key] = subject
    else:
        made.call("open", "ok", created, key=key)
    if forged == "fork":
        poison += made.forge(subject, reason=forged, seq=1)
    elif forged:
        poison += made.forge(subject, reason=forged, seq=2 if forged == "undecodable" else _FORGED_AHEAD)
    if not forged:
        made.publish("routing", subject, "work.enqueued", {"ticket_id": ticket, "queue_id": made.id()})
        data = {"ticket_id": ticket, "assignment_id": assignment, "agent_id": agent}
        made.call("accept", "ok", made.publish("routing", subject, "assignment.assigned", data))
        values |= {"owner_id": agent, "routing_state": "assigned"}
    moves = ["open", "pending_customer", "open", "resolved"][: made.chance.randint(2, 4)]
    for to in moves:
        data = {"ticket_id": ticket, "from": values["status"], "to": to}
        event = made.publish("intake", subject, "ticket.status_changed", data)
        made.call("update", made.chance.choice(("ok", "ok", "unknown")), event)
        values["status"] = to
    if made.chance.random() < 0.5:
        handoff = made.id()
        data = {"ticket_id": ticket, "handoff_id": handoff}
        made.call("handoff", "ok", made.publish("escalation", subject, "handoff.requested", data))
        values["handoff"] = [handoff, "requested"]
    if made.chance.random() < 0.2:
        data = {"ticket_id": ticket, "handoff_id": made.id(), "emergency": True}
        made.publish("escalation", subject, "handoff.requested", data)
        values["handoff"] = [data["handoff_id"], "requested"]
    if made.chance.random() < 0.7:
        data = {"ticket_id": ticket, "author_type": made.chance.choice(("requester", "agent"))}
        made.call("message", "ok", made.publish("intake", subject, "message.added", data))
    made.publish("intake", subject, "message.added", {"ticket_id": ticket, "author_type": "automation"})
    return made.show("intake", subject, values)
