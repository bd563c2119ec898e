"""What the topics alone say of each ticket: a fold written from the published contract, not from the services' code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.envelope import Event

_ROUTING_STATE = {
    "support.work.enqueued.v1": "queued",
    "support.work.unroutable.v1": "unroutable",
    "support.work.dequeued.v1": "none",
    "support.assignment.offered.v1": "offered",
    "support.assignment.declined.v1": "queued",
    "support.assignment.offer_expired.v1": "queued",
    "support.assignment.offer_rescinded.v1": "queued",
    "support.assignment.assigned.v1": "assigned",
}


@dataclass(kw_only=True)
class TicketState:
    """One ticket as the two topics tell it."""

    status: str = ""
    owner_id: str | None = None
    assignment_id: str | None = None
    routing_state: str = "none"
    assigned: int = 0
    unassigned: int = 0


def fold(intake: Mapping[str, list[Event]], routing: Mapping[str, list[Event]]) -> dict[str, TicketState]:
    """The state of every ticket, by its id, from both topics' first appearances per subject."""
    tickets: dict[str, TicketState] = {}
    for subject, events in intake.items():
        if subject.startswith("ticket/"):
            tickets[subject.partition("/")[2]] = _from_intake(events)
    for subject, events in routing.items():
        if subject.startswith("ticket/"):
            _add_routing(tickets[subject.partition("/")[2]], events)
    return tickets


def _from_intake(events: Iterable[Event]) -> TicketState:
    state = TicketState()
    for event in events:
        data = _data(event)
        if event.type == "support.ticket.created.v1":
            state.status = data.get("status", "new")
        elif event.type == "support.ticket.status_changed.v1":
            assert state.status == data["from"], f"{event.subject}: moved from {data['from']}, but was {state.status}"
            state.status = data["to"]
    return state


def _add_routing(state: TicketState, events: Iterable[Event]) -> None:
    for event in events:
        data = _data(event)
        state.routing_state = _ROUTING_STATE.get(event.type, state.routing_state)
        if event.type == "support.assignment.assigned.v1":
            assert state.owner_id is None or data.get("replaces"), f"{event.subject}: two owners at once"
            state.owner_id, state.assignment_id = data["agent_id"], data["assignment_id"]
            state.assigned += 1
        elif event.type == "support.assignment.unassigned.v1":
            state.unassigned += 1
            if state.assignment_id == data["assignment_id"]:
                state.owner_id = state.assignment_id = None
                state.routing_state = "none" if state.routing_state == "assigned" else state.routing_state


def _data(event: Event) -> dict[str, Any]:
    return msgspec.json.decode(event.data)
