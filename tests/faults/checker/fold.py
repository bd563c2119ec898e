"""What the topics alone say of a ticket: a fold written from the published contract of the events."""

from collections.abc import Iterable
from typing import Any

from tests.faults.checker.lines import Publication

ALIASES = {"state": "status", "agent": "owner_id", "agent_id": "owner_id", "tier": "tier_required"}
"""Other names under which services show the same."""

_ROUTING_STATE = {
    "support.work.enqueued.v1": "queued",
    "support.work.unroutable.v1": "unroutable",
    "support.work.dequeued.v1": "none",
    "support.assignment.offered.v1": "offered",
    "support.assignment.declined.v1": "queued",
    "support.assignment.offer_expired.v1": "queued",
    "support.assignment.offer_rescinded.v1": "queued",
}
"""By events about the ticket's own work; a handoff's work does not move it."""
_HANDOFF_STATES = frozenset({"requested", "accepted", "declined", "expired", "withdrawn", "returned", "completed"})


class Impossible(Exception):
    """An event that cannot follow those before it."""

    def __init__(self, event: Publication, says: str) -> None:
        super().__init__(says)
        self.event = event


def fold_ticket(
    intake: Iterable[Publication], routing: Iterable[Publication], escalation: Iterable[Publication]
) -> dict[str, Any]:
    """Every value that the fold knows, by its name in the services' answers.

    Raises:
        Impossible: a change from a state that was not, or a second owner beside the first.
    """
    values: dict[str, Any] = {
        "status": "",
        "priority": None,
        "owner_id": None,
        "assignment_id": None,
        "routing_state": "none",
        "queue_id": None,
        "tier_required": 1,
        "escalation_level": 0,
        "resolution_seq": 0,
        "reopen_count": 0,
        "handoff": None,
    }
    for event in intake:
        _add_intake(values, event)
    for event in routing:
        _add_routing(values, event)
    for event in escalation:
        _add_escalation(values, event)
    return values


def _add_intake(values: dict[str, Any], event: Publication) -> None:
    data = event.data
    match event.type:
        case "support.ticket.created.v1":
            values["status"] = data.get("status", "new")
            values["priority"] = data.get("priority")
            values["tier_required"] = data.get("tier_required", 1)
        case "support.ticket.classified.v1":
            values["tier_required"] = data["tier_required"]
        case "support.ticket.status_changed.v1":
            if data["from"] != values["status"]:
                raise Impossible(event, f"moved from {data['from']}, but was {values['status'] or 'not there'}")
            values["status"] = data["to"]
        case "support.ticket.priority_changed.v1":
            if data["from"] != values["priority"]:
                raise Impossible(event, f"priority moved from {data['from']}, but was {values['priority']}")
            values["priority"] = data["to"]
        case "support.ticket.resolved.v1":
            values["resolution_seq"] = data["resolution_seq"]
        case "support.ticket.reopened.v1":
            values["reopen_count"] = data["reopen_count"]
        case _:
            pass


def _add_routing(values: dict[str, Any], event: Publication) -> None:
    data = event.data
    if data.get("kind", "own") == "own":
        values["routing_state"] = _ROUTING_STATE.get(event.type, values["routing_state"])
        values["queue_id"] = data.get("queue_id", values["queue_id"])
    if event.type == "support.assignment.assigned.v1":
        if values["owner_id"] is not None and not data.get("replaces"):
            raise Impossible(event, "a second owner beside the first")
        values |= {
            "owner_id": data["agent_id"],
            "assignment_id": data["assignment_id"],
            "routing_state": "assigned",
        }
    elif event.type == "support.assignment.unassigned.v1" and values["assignment_id"] == data["assignment_id"]:
        values["owner_id"] = values["assignment_id"] = None
        if values["routing_state"] == "assigned":
            values["routing_state"] = "none"


def _add_escalation(values: dict[str, Any], event: Publication) -> None:
    data = event.data
    _, topic, name, _ = event.type.split(".")
    if (topic, name) == ("escalation", "level_changed"):
        values["escalation_level"] = data["to"]
        # Triage and escalation may come in either order: neither takes back what the other asked for.
        values["tier_required"] = max(values["tier_required"], data["tier_required"])
    elif topic == "handoff" and name in _HANDOFF_STATES:
        known = values["handoff"]
        if known is None or known[0] == data["handoff_id"] or name == "requested":
            values["handoff"] = [data["handoff_id"], name]
