"""Runs and policies for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from escalation.escalations.domain import Run, Trigger
from escalation.escalations.policy import Action, Step, Version, VersionState
from escalation.escalations.stepping import Advance, Look, advance, plain_time

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
POLICY_ID = UUID(int=1)


def moment(minutes: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minutes)


def version_of(*steps: Step, **given: Any) -> Version:
    """An active version with these steps, repeated never unless given."""
    values: dict[str, Any] = {
        "policy_id": POLICY_ID,
        "version": 1,
        "state": VersionState.ACTIVE,
        "match": {},
        "triggers": (Trigger.SLA,),
        "clocks": (),
        "steps": steps,
        "rounds": 0,
        "repeat_after_s": 600,
        "ack_timeout_s": 3_600,
        "leads": (),
        "calendar_id": UUID(int=9),
        "created_at": START,
    }
    return Version(**{**values, **given})


def notify(after_min: float = 0, **given: Any) -> Step:
    """A step that notifies the owner."""
    values: dict[str, Any] = {"targets": ("owner",), "action": Action.NOTIFY}
    return Step(after_s=int(after_min * 60), **{**values, **given})


def run_of(**given: Any) -> Run:
    """A run that just began."""
    values: dict[str, Any] = {
        "run_id": UUID(int=2),
        "ticket_id": UUID(int=3),
        "policy_id": POLICY_ID,
        "policy_version": 1,
        "trigger": Trigger.SLA,
        "started_at": START,
        "round_started_at": START,
        "due_at": START,
    }
    return Run(**{**values, **given})


def look(run: Run, version: Version, minutes: float, **given: Any) -> Advance:
    """The run after a look so many minutes after the start."""
    return advance(run, version, Look(now=moment(minutes), **given), open_time=plain_time)


def names(advanced: Advance) -> list[str]:
    """What is told, by its words after "support.escalation."."""
    return [body.event_type.split(".")[2] for body in advanced.told]
