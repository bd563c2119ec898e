"""What the topics alone say of each ticket: a fold written from the published contract, not from the services' code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from contracts.envelope import Event

Subjects = Mapping[str, list[Event]]

_ROUTING_STATE = {
    "support.work.enqueued.v1": "queued",
    "support.work.unroutable.v1": "unroutable",
    "support.work.dequeued.v1": "none",
    "support.assignment.offered.v1": "offered",
    "support.assignment.declined.v1": "queued",
    "support.assignment.offer_expired.v1": "queued",
    "support.assignment.offer_rescinded.v1": "queued",
}
"""By events about the ticket's own work."""
_CLOCK_VERDICT = {
    "support.sla.clock_started.v1": "open",
    "support.sla.met.v1": "met",
    "support.sla.breached.v1": "breached",
    "support.sla.met_withdrawn.v1": "open",
    "support.sla.breach_withdrawn.v1": "open",
}
_GOES_ON = ("support.sla.clock_paused.v1", "support.sla.clock_resumed.v1")
_PLAIN = ("status", "owner_id", "assignment_id", "routing_state", "queue_id", "tier_required", "escalation_level")
_HANDOFF_STATES = ("requested", "accepted", "declined", "expired", "withdrawn", "returned", "completed")


@dataclass(kw_only=True)
class TicketState:
    """One ticket as the topics tell it. `handoff` is (id, state), `clocks` (cycle, verdict) by kind."""

    status: str = ""
    owner_id: str | None = None
    assignment_id: str | None = None
    routing_state: str = "none"
    queue_id: str | None = None
    assigned: int = 0
    unassigned: int = 0
    tier_required: int = 1
    escalation_level: int = 0
    handoff: tuple[str, str] | None = None
    clocks: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    def shown(self) -> dict[str, Any]:
        """What intake shows of it; `as_shown` gives the same of an answer of intake."""
        return {name: getattr(self, name) for name in _PLAIN} | {"handoff": self.handoff, "sla": self.clocks}


def as_shown(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a ticket's body in an answer of intake, as `TicketState.shown` says it."""
    handoff, clocks = body["handoff"], body["sla"].values()
    verdicts = {"running": "open", "paused": "open"}
    return {name: body[name] for name in _PLAIN} | {
        "handoff": (handoff["id"], handoff["state"]) if handoff else None,
        "sla": {one["kind"]: (one["cycle"], verdicts.get(one["state"], one["state"])) for one in clocks},
    }


def fold(intake: Subjects, routing: Subjects, escalation: Subjects | None = None) -> dict[str, TicketState]:
    """The state of every ticket, by its id, from the topics' first appearances per subject."""
    tickets: dict[str, TicketState] = {}
    for subject, events in intake.items():
        if subject.startswith("ticket/"):
            tickets[_id(subject)] = _from_intake(events)
    for subject, events in routing.items():
        if subject.startswith("ticket/"):
            _add_routing(tickets[_id(subject)], events)
    for subject, events in (escalation or {}).items():
        if subject.startswith("ticket/"):
            _add_escalation(tickets[_id(subject)], events)
    return tickets


def _id(subject: str) -> str:
    return subject.partition("/")[2]


def _from_intake(events: Iterable[Event]) -> TicketState:
    state = TicketState()
    for event in events:
        data = _data(event)
        if event.type == "support.ticket.created.v1":
            state.status = data.get("status", "new")
            state.tier_required = data["tier_required"]
        elif event.type == "support.ticket.classified.v1":
            state.tier_required = data["tier_required"]
        elif event.type == "support.ticket.status_changed.v1":
            assert state.status == data["from"], f"{event.subject}: moved from {data['from']}, but was {state.status}"
            state.status = data["to"]
    return state


def _add_routing(state: TicketState, events: Iterable[Event]) -> None:
    for event in events:
        data = _data(event)
        if data.get("kind", "own") == "own":
            state.routing_state = _ROUTING_STATE.get(event.type, state.routing_state)
            state.queue_id = data.get("queue_id", state.queue_id)
        if event.type == "support.assignment.assigned.v1":
            assert state.owner_id is None or data.get("replaces"), f"{event.subject}: two owners at once"
            state.owner_id, state.assignment_id = data["agent_id"], data["assignment_id"]
            state.routing_state = "assigned"
            state.assigned += 1
        elif event.type == "support.assignment.unassigned.v1":
            state.unassigned += 1
            if state.assignment_id == data["assignment_id"]:
                state.owner_id = state.assignment_id = None
                state.routing_state = "none" if state.routing_state == "assigned" else state.routing_state


def _add_escalation(state: TicketState, events: Iterable[Event]) -> None:
    for event in events:
        data = _data(event)
        _, topic, name, _ = event.type.split(".")
        if event.type == "support.escalation.level_changed.v1":
            state.escalation_level = data["to"]
            # Triage and escalation may come in either order: neither takes back what the other asked for.
            state.tier_required = max(state.tier_required, data["tier_required"])
        elif topic == "handoff" and name in _HANDOFF_STATES:
            latest = state.handoff is None or state.handoff[0] == data["handoff_id"]
            if latest or name == "requested":
                state.handoff = (data["handoff_id"], name)
        elif topic == "sla" and "cycle" in data:
            _add_clock(state.clocks, event.type, data)


def _add_clock(clocks: dict[str, tuple[int, str]], event_type: str, data: Mapping[str, Any]) -> None:
    kind, cycle = data["kind"], data["cycle"]
    known, verdict = clocks.get(kind, (cycle, "open"))
    if known > cycle:
        return
    verdict = verdict if known == cycle else "open"
    if event_type == "support.sla.clock_cancelled.v1":
        if data["reason"] == "refolded":
            clocks.pop(kind, None)
            return
        verdict = "breached" if verdict == "breached" else "cancelled"
    if event_type in _GOES_ON and verdict != "breached":
        verdict = "open"
    clocks[kind] = (cycle, _CLOCK_VERDICT.get(event_type, verdict))


def _data(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(event.data)
