"""What people and systems are told of a step. Nothing here comes from a customer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from escalation.escalations.domain import BREACH_PERCENT, Run, Trigger
from escalation.escalations.stepping import Fired

_CLOCKS: Mapping[str, str] = {
    "first_response": "the first response",
    "next_response": "the next response",
    "resolution": "the resolution",
    "handoff_accept": "the acceptance of the handoff",
}
_CAUSES: Mapping[Trigger, str] = {
    Trigger.MANUAL: "somebody asks for help",
    Trigger.UNROUTABLE: "no agent could ever take this ticket",
    Trigger.HANDOFF: "nobody took the handoff",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """One notification in words: a line, and a text."""

    subject: str
    text: str


def word(run: Run, fired: Fired, *, number: int, agents: Sequence[UUID]) -> Words:
    """What a step says.

    Args:
        number: of the ticket.
        agents: who is addressed; none where a system or a mailbox is.
    """
    cause = _cause(run)
    lines = [f"Escalation of FL-{number}: {cause}."]
    if run.reason:
        lines.append(f"Said with it: {run.reason}")
    if agents:
        lines.append(f"For: {', '.join(f'agent {agent}' for agent in agents)}.")
    lines.append(
        f"Step {fired.number}, round {fired.round}. To take notice: POST /v1/escalations/{run.run_id}/acknowledge"
    )
    return Words(subject=f"FL-{number}: {cause}", text="\n".join(lines))


def facts_of(run: Run, fired: Fired) -> Mapping[str, object]:
    """The same for systems."""
    return {
        "trigger": run.trigger.value,
        "clock_id": run.clock_id,
        "clock_kind": run.clock_kind,
        "percent": run.percent,
        "round": fired.round,
        "policy_id": run.policy_id,
        "policy_version": run.policy_version,
    }


def _cause(run: Run) -> str:
    if run.trigger is not Trigger.SLA:
        return _CAUSES[run.trigger]
    clock = _CLOCKS.get(run.clock_kind, run.clock_kind)
    if run.percent >= BREACH_PERCENT:
        return f"the time for {clock} is over"
    return f"{run.percent} % of the time for {clock} is used"
