"""I1 and I2: what clients were told, against what the topics and services hold."""

from collections import defaultdict
from collections.abc import Mapping

from tests.faults.checker.case import Breach, Case
from tests.faults.checker.commands import ADDED, CREATED
from tests.faults.checker.lines import Operation, Publication

INTAKE = "intake"
OPEN = "open"
ANSWERS = {
    OPEN: frozenset({CREATED, ADDED}),
    "message": frozenset({ADDED, "support.ticket.status_changed.v1", "support.ticket.reopened.v1"}),
    "update": frozenset({"support.ticket.status_changed.v1"}),
    "resolve": frozenset({"support.ticket.resolved.v1"}),
    "cancel": frozenset({"support.ticket.cancelled.v1"}),
    "handoff": frozenset({"support.handoff.requested.v1"}),
    "return": frozenset({"support.handoff.requested.v1", "support.handoff.returned.v1"}),
}
"""Of which type the last event is that a command causes. Of other commands only its being there is judged."""
_NOT_FOUND = 404


def judge_calls(case: Case) -> None:
    """Judge every answer, then every ticket."""
    created = _list_created(case)
    shown = {state.subject for state in case.history.states if state.service == INTAKE and state.values}
    opened_at = _list_opened(case)
    for operation in case.history.operations:
        if operation.outcome == "ok":
            _judge_ok(case, operation, created, shown)
        elif operation.outcome == "fail":
            _judge_failed(case, operation, opened_at)
    _judge_tickets(case, created, shown)


def _list_created(case: Case) -> dict[str, Publication]:
    """The event that created each ticket, by subject."""
    return {
        subject: one
        for (source, subject), stream in case.streams.items()
        if source == INTAKE and subject.startswith("ticket/")
        for one in stream.first.values()
        if one.type == CREATED
    }


def _list_opened(case: Case) -> Mapping[str, float]:
    """When each ticket was acknowledged first."""
    found: dict[str, float] = {}
    for operation in case.history.operations:
        if operation.what == OPEN and operation.outcome == "ok" and operation.completed_at is not None:
            found[operation.subject] = min(operation.completed_at, found.get(operation.subject, float("inf")))
    return found


def _judge_ok(case: Case, operation: Operation, created: Mapping[str, Publication], shown: set[str]) -> None:
    if operation.what == OPEN:
        if not operation.subject:
            _add(case, operation, "I1", f"open {operation.id} was answered ok without a ticket")
            return
        if operation.subject not in created:
            _add(case, operation, "I1", "opened with ok, but ticket.created is in no topic", counts="lost")
        if operation.subject not in shown:
            _add(case, operation, "I1", "opened with ok, but intake does not show it", counts="lost")
    if operation.seq is None:
        return
    one = _find_named(case, operation)
    if one is None:
        _add(case, operation, "I1", f"{operation.what} ok: event {operation.seq} is in no topic", counts="lost")
    elif one.type not in ANSWERS.get(operation.what, {one.type}):
        _add(case, operation, "I1", f"{operation.what} ok as event {operation.seq}, but that is {one.type}")


def _judge_failed(case: Case, operation: Operation, opened_at: Mapping[str, float]) -> None:
    """An answer that refuses names no event, for it had no effect; and who was told of a ticket is not told of none."""
    if operation.seq is not None and _find_named(case, operation) is not None:
        _add(case, operation, "I2", f"{operation.what} failed, yet its event {operation.seq} is published")
    was_opened = opened_at.get(operation.subject, float("inf")) < operation.invoked_at
    if was_opened and operation.status == _NOT_FOUND and operation.process == INTAKE:
        _add(case, operation, "I1", f"{operation.what} was answered 404, though the ticket had been opened with ok")


def _find_named(case: Case, operation: Operation) -> Publication | None:
    stream = case.streams.get((operation.source, operation.subject))
    return stream.first.get(operation.seq or 0) if stream else None


def _judge_tickets(case: Case, created: Mapping[str, Publication], shown: set[str]) -> None:
    """I2: each ticket was asked for, by one key, and no key has two."""
    opens: defaultdict[str, list[Operation]] = defaultdict(list)
    named: dict[str, Operation] = {}
    for operation in case.history.operations:
        if operation.what == OPEN:
            opens[operation.key].append(operation)
            if operation.subject and operation.outcome != "fail":
                named.setdefault(operation.subject, operation)
    known_keys = {
        key: subject
        for tables in case.history.tables
        if tables.service == INTAKE
        for key, subject in tables.known_keys.items()
        if subject
    }
    tickets_of = _list_tickets_of_keys(opens, known_keys)
    for key, subjects in tickets_of.items():
        if len(subjects) > 1:
            first, second = sorted(subjects, key=lambda subject: _when(created, subject))[:2]
            _add_ticket(case, created, second, f"key {key} made two tickets: {first} and {second}")
    key_of = {subject: key for key, subjects in tickets_of.items() for subject in subjects}
    for subject in sorted({*created, *(one for one in shown if one.startswith("ticket/"))}):
        if subject in named:
            continue
        key = key_of.get(subject)
        calls = opens.get(key, []) if key is not None else []
        if calls and all(call.outcome == "fail" for call in calls):
            _add_ticket(case, created, subject, f"every open with key {key} failed, yet its ticket is there")
        elif not calls and not _follows(subject, created, case):
            _add_ticket(case, created, subject, "nobody asked for this ticket")


def _list_tickets_of_keys(opens: Mapping[str, list[Operation]], known_keys: Mapping[str, str]) -> dict[str, set[str]]:
    """Which tickets each key made, as answers and intake's table of keys say."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for key, calls in opens.items():
        found[key].update(call.subject for call in calls if call.subject and call.outcome != "fail")
        if key in known_keys:
            found[key].add(known_keys[key])
    return {key: subjects for key, subjects in found.items() if subjects}


def _follows(subject: str, created: Mapping[str, Publication], case: Case) -> bool:
    """Whether a ticket follows up another on which somebody called: the service opens such a one by itself."""
    one = created.get(subject)
    before = one.data.get("follow_up_of") if one else None
    if not before:
        return False
    return any(call.subject == f"ticket/{before}" and call.outcome != "fail" for call in case.history.operations)


def _when(created: Mapping[str, Publication], subject: str) -> float:
    one = created.get(subject)
    return one.written_at if one else float("inf")


def _add_ticket(case: Case, created: Mapping[str, Publication], subject: str, says: str) -> None:
    one = created.get(subject)
    case.breaches.append(
        Breach(
            invariant="I2",
            fault=case.window_at(one.written_at) if one else "",
            subject=subject,
            says=says,
            source=INTAKE,
            seq=one.seq if one else 0,
            at=one.written_at if one else 0.0,
        )
    )


def _add(case: Case, operation: Operation, invariant: str, says: str, *, counts: str = "") -> None:
    case.breaches.append(
        Breach(
            invariant=invariant,
            fault=operation.fault,
            subject=operation.subject,
            says=says,
            at=operation.completed_at or operation.invoked_at,
            counts_as=counts,
        )
    )
