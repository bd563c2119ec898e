"""I1 and I2: what clients were told, against what the topics and services hold."""

from collections import defaultdict
from collections.abc import Mapping

from tests.faults.checker.case import Breach, Case
from tests.faults.checker.lines import Operation, Publication

INTAKE = "intake"
CREATED = "support.ticket.created.v1"
OPEN = "open"


def judge_calls(case: Case) -> None:
    """Judge every answer, then every ticket."""
    created = _list_created(case)
    by_id = {
        one.event_id: (one.source, one.subject, one.seq)
        for stream in case.streams.values()
        for one in stream.first.values()
    }
    shown = {state.subject for state in case.history.states if state.service == INTAKE and state.values}
    for operation in case.history.operations:
        if operation.outcome == "ok":
            _judge_ok(case, operation, created, shown, by_id)
        elif operation.outcome == "fail" and operation.event_id in by_id:
            # An answer that refuses may name no event; one that does had an effect.
            _add(case, operation, "I2", f"{operation.what} failed, yet its event {operation.event_id} is published")
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


def _judge_ok(
    case: Case,
    operation: Operation,
    created: Mapping[str, Publication],
    shown: set[str],
    by_id: Mapping[str, tuple[str, str, int]],
) -> None:
    if operation.what == OPEN:
        if not operation.subject:
            _add(case, operation, "I1", f"open {operation.id} was answered ok without a ticket")
            return
        if operation.subject not in created:
            _add(case, operation, "I1", "opened with ok, but ticket.created is in no topic", counts="lost")
        if operation.subject not in shown:
            _add(case, operation, "I1", "opened with ok, but intake does not show it", counts="lost")
    if operation.event_id:
        place = by_id.get(operation.event_id)
        if place is None:
            _add(
                case, operation, "I1", f"{operation.what} ok: event {operation.event_id} is in no topic", counts="lost"
            )
        elif not _matches(operation, place):
            _add(case, operation, "I1", f"{operation.what} ok as event {operation.seq}, but published is {place}")
    elif operation.seq is not None:
        sources = [operation.source] if operation.source else sorted({source for source, _ in case.streams})
        streams = [case.streams.get((source, operation.subject)) for source in sources]
        if not any(stream and operation.seq in stream.first for stream in streams):
            _add(case, operation, "I1", f"{operation.what} ok: event {operation.seq} is in no topic", counts="lost")


def _matches(operation: Operation, place: tuple[str, str, int]) -> bool:
    source, subject, seq = place
    return operation.subject in {"", subject} and operation.seq in {None, seq} and operation.source in {"", source}


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
    tickets_of = _list_tickets_of_keys(opens, known_keys, created)
    for key, subjects in tickets_of.items():
        if len(subjects) > 1:
            first, second = sorted(subjects, key=lambda subject: _when(created, subject))[:2]
            _add_ticket(case, created, second, f"key {key} made two tickets: {first} and {second}")
    key_of = {subject: key for key, subjects in tickets_of.items() for subject in subjects}
    unexplained: list[str] = []
    for subject in sorted({*created, *(one for one in shown if one.startswith("ticket/"))}):
        if subject in named:
            continue
        key = key_of.get(subject)
        calls = opens.get(key, []) if key is not None else []
        if calls and all(call.outcome == "fail" for call in calls):
            _add_ticket(case, created, subject, f"every open with key {key} failed, yet its ticket is there")
        elif not calls and not _follows(subject, created, case):
            unexplained.append(subject)
    # A call of unknown outcome may have made a ticket; where nothing links the two, only their numbers can be compared.
    spare = sum(
        key not in tickets_of and any(call.outcome == "unknown" for call in calls) for key, calls in opens.items()
    )
    unexplained.sort(key=lambda subject: _when(created, subject))
    for subject in unexplained[spare:]:
        _add_ticket(case, created, subject, "nobody asked for this ticket")


def _list_tickets_of_keys(
    opens: Mapping[str, list[Operation]], known_keys: Mapping[str, str], created: Mapping[str, Publication]
) -> dict[str, set[str]]:
    """Which tickets each key made, as answers, intake's table of keys and the events' external references say."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for key, calls in opens.items():
        found[key].update(call.subject for call in calls if call.subject and call.outcome != "fail")
        if key in known_keys:
            found[key].add(known_keys[key])
    for subject, one in created.items():
        source = one.data.get("source")
        reference = source.get("external_ref") if isinstance(source, dict) else None
        if isinstance(reference, str) and reference in opens:
            found[reference].add(subject)
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
