"""Decisions and waits in words and numbers: what is stored of a decision, and how it reads."""

import msgspec

from routing.work.domain import (
    COMFORTABLE,
    CRITICAL,
    GUARD_TURN,
    LATE,
    QUARTERS_PER_UNIT,
    RING_EXACT,
    RING_HARD_ONLY,
    RING_NEAR,
    STARVED,
    Cause,
    CostTerms,
    Decision,
    Funnel,
    Waiting,
    WorkKind,
)

RECORD_LIMIT_BYTES = 500

RING_WORDS = {
    RING_EXACT: "agents at the level asked for",
    RING_NEAR: "agents one level below too, and the overflow teams",
    RING_HARD_ONLY: "anyone with the indispensable levels",
}
BAND_WORDS = {
    STARVED: "starved: it had waited more than four times its target",
    GUARD_TURN: "late, and it was the turn of a late ticket",
    CRITICAL: "critical: half of its target or less was left",
    COMFORTABLE: "comfortable: it had waited longest for its target",
    LATE: "late: nothing that could still be on time was waiting",
}
TERMS = CostTerms.__struct_fields__
SIGNS = ("", "+", "-", "+", "-", "+")
"""Proficiency and idleness make an agent cheaper."""

FILTER_WORDS = {
    "present": "not present",
    "tier": "below the tier",
    "hard_skills": "without an indispensable skill",
    "skills": "below the level asked now",
    "language": "without the language",
    "team": "in other teams",
    "not_excluded": "excluded from this ticket",
    "capacity": "full",
    "unreserved": "with an offer to answer first",
}
"""Who is lost at each filter."""

_KIND_WORDS = {"own": "ticket", "handoff": "handoff of a ticket"}


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reasons for a decision, as they are stored beside its ticket, agent and time. JSON of at most 500 bytes.

    `needs` lists (skill, level, hard level); `needs_left_out` counts those that did not fit. `cost` has the terms in
    their order; those of releases before lack the last ones, which were 0. Other fields as in `Decision` and
    `WorkFacts`; both waits are in microseconds.
    """

    cause: Cause
    ring: int
    band: int
    wait: int
    slack: int
    priority: str
    weight_quarters: int
    tier_required: int
    kind: WorkKind = "own"
    language: str = ""
    needs: tuple[tuple[str, int, int], ...] = ()
    needs_left_out: int = 0
    cost: tuple[int, ...]
    runner_up: str = ""
    margin: int | None = None
    funnel: tuple[int, int, int, int, int, int, int, int, int, int]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(DecisionRecord).decode


def pack_decision(decision: Decision) -> bytes:
    """The record of a decision, as JSON of at most `RECORD_LIMIT_BYTES`; skills are left out where it grows beyond."""
    work = decision.work
    record = DecisionRecord(
        cause=decision.cause,
        ring=decision.ring,
        band=decision.band,
        wait=decision.wait,
        slack=decision.slack,
        priority=work.priority,
        weight_quarters=work.weight_quarters,
        tier_required=work.tier_required,
        kind=work.kind,
        language=work.language,
        needs=tuple((need.skill, need.level, need.hard_level) for need in work.needs),
        cost=msgspec.structs.astuple(decision.cost),
        runner_up=str(decision.runner_up) if decision.runner_up else "",
        margin=decision.margin,
        funnel=msgspec.structs.astuple(decision.funnel),
    )
    encoded = _encode(record)
    while len(encoded) > RECORD_LIMIT_BYTES and record.needs:
        record = msgspec.structs.replace(record, needs=record.needs[:-1], needs_left_out=record.needs_left_out + 1)
        encoded = _encode(record)
    return encoded


def unpack_decision(packed: bytes | str) -> DecisionRecord:
    """Read a stored record.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: it is not one.
    """
    return _decode(packed)


def explain_decision(record: DecisionRecord) -> list[str]:
    """Why the ticket went to its agent, sentence by sentence."""
    cost = CostTerms(*record.cost)
    event = "The agent became free and pulled" if record.cause == "pull" else "An agent was looked for on arrival of"
    needs = [f"{skill} {_need_words(level, hard)}" for skill, level, hard in record.needs]
    needs += [f"{record.needs_left_out} more skills"] if record.needs_left_out else []
    needs += [f"language {record.language}"] if record.language else []
    units = record.weight_quarters / QUARTERS_PER_UNIT
    asked = ", ".join([f"weight {units:g}", f"tier {record.tier_required} or higher", *needs])
    waited = f"waited {duration(record.wait)}, {_slack_words(record.slack)}"
    terms = ", ".join(
        f"{name} {sign}{_points(term)}"
        for name, sign, term in zip(TERMS, SIGNS, msgspec.structs.astuple(cost), strict=True)
        if term or name != "preference"
    )
    sentences = [
        f"{event} this {record.priority} {_KIND_WORDS[record.kind]}: {asked}.",
        f"It had {waited}, so it was {BAND_WORDS[record.band]}.",
        f"Ring {record.ring} was open: {RING_WORDS[record.ring]}.",
        f"{_funnel_words(Funnel(*record.funnel))}.",
        f"The agent cost {_points(cost.total)}: {terms}.",
    ]
    if record.margin is None:
        sentences.append("No other agent could take it.")
    else:
        sentences.append(f"The runner-up, agent {record.runner_up}, cost {_points(record.margin)} more.")
    return sentences


def explain_waiting(waiting: Waiting, now: int) -> list[str]:
    """Why a ticket waits, sentence by sentence. `now`: as given to `Engine.explain`."""
    if waiting.missing:
        return [f"No agent exists who could take it; nobody has: {', '.join(waiting.missing)}."]
    eligible, able = waiting.funnel.not_excluded, waiting.funnel.unreserved
    if able:
        first = f"{able} of {eligible} eligible agents could take it now; it is being matched."
    elif eligible:
        reserved = waiting.funnel.capacity - able
        first = f"{eligible} eligible, all full." if not reserved else f"{eligible} eligible, all full or reserved."
    else:
        first = f"Nobody eligible is there now. {_funnel_words(waiting.funnel)}."
    sentences = [first]
    if waiting.next_ring_at is not None:
        sentences.append(f"Ring {waiting.ring + 1} opens in {duration(max(0, waiting.next_ring_at - now))}.")
    if waiting.ahead:
        sentences.append(f"Like it and ahead of it: {waiting.ahead}.")
    return sentences


def duration(microseconds: int) -> str:
    """A length of time for a person, in two units at most: "3 h 20 min", "4 min", "12 s"."""
    seconds = abs(microseconds) // 1_000_000
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def _slack_words(slack: int) -> str:
    return f"{duration(slack)} left" if slack >= 0 else f"{duration(slack)} over its deadline"


def _need_words(level: int, hard: int) -> str:
    return f"level {level}, at least {hard}" if hard else f"level {level}"


def _funnel_words(funnel: Funnel) -> str:
    counts = msgspec.structs.asdict(funnel)
    left = funnel.known
    parts: list[str] = []
    for name, words in FILTER_WORDS.items():
        if counts[name] < left:
            parts.append(f"{words} {left - counts[name]}")
        left = counts[name]
    return "; ".join([f"Of {funnel.known} agents {left} could take it", *parts])


def _points(thousandths: int) -> str:
    return f"{thousandths / 1000:g}"
