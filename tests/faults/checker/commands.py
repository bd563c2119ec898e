"""I2 of commands: what clients asked for once is done once, and no event answers two of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.faults.checker.case import Case, Stream
from tests.faults.checker.lines import Operation, Publication

CREATED = "support.ticket.created.v1"
ADDED = "support.message.added.v1"
REQUESTED = "support.handoff.requested.v1"
_CALLED = {
    ADDED: frozenset({"message"}),
    "support.ticket.resolved.v1": frozenset({"resolve"}),
    "support.ticket.cancelled.v1": frozenset({"cancel"}),
    REQUESTED: frozenset({"handoff", "return"}),
    "support.handoff.returned.v1": frozenset({"return"}),
}
"""Events that nothing but a command makes (see `_list_asked`), each command one of a kind; and the commands' names."""
_WRITERS = ("requester", "agent")
"""Who writes messages by commands; others are written by services themselves."""
_Keys = Mapping[tuple[str, str], set[str]]
"""By command and subject, the keys of calls that did not fail."""


def judge_commands(case: Case) -> None:
    """Judge what each event answers, then how many events of a kind a subject has."""
    _judge_answers(case)
    keys = _list_keys(case)
    for (_, subject), stream in case.streams.items():
        _judge_requests(case, stream)
        found: defaultdict[str, list[Publication]] = defaultdict(list)
        for one in _list_asked(stream):
            found[one.type].append(one)
        for kind, events in found.items():
            asked = {key for what in _CALLED[kind] for at in (subject, "") for key in keys.get((what, at), ())}
            for one in events[len(asked) :]:
                case.blame_publication(one, "I2", f"{len(events)} times {kind}, but {len(asked)} commands asked for it")


def _judge_requests(case: Case, stream: Stream) -> None:
    """Whoever asks for a handoff, a command or a clock: each is requested once."""
    requested: set[str] = set()
    for seq in sorted(stream.first):
        one = stream.first[seq]
        if one.type != REQUESTED:
            continue
        handoff_id = str(one.data.get("handoff_id"))
        if handoff_id in requested:
            case.blame_publication(one, "I2", f"handoff {handoff_id} is requested twice")
        requested.add(handoff_id)


def name_key(operation: Operation) -> str:
    """What calls that mean the same command have in common; a call without a key means itself."""
    return operation.key or f"call {operation.id}"


def _judge_answers(case: Case) -> None:
    told: dict[tuple[str, str, int], str] = {}
    for operation in case.history.operations:
        if operation.outcome != "ok" or operation.seq is None:
            continue
        stream = case.streams.get((operation.source, operation.subject))
        one = stream.first.get(operation.seq) if stream else None
        key = name_key(operation)
        other = told.setdefault((operation.source, operation.subject, operation.seq), key)
        if one is not None and other != key:
            says = f"the answers to {other} and to {key} name the same event {one.seq} of {one.source}"
            case.blame_publication(one, "I2", says)


def _list_keys(case: Case) -> _Keys:
    """A call whose subject is not known counts for every subject, unless a call with its key names one."""
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    known: set[str] = set()
    for operation in case.history.operations:
        if operation.outcome != "fail":
            keys[operation.what, operation.subject].add(name_key(operation))
            known.update({name_key(operation)} if operation.subject else ())
    return {place: found if place[1] else found - known for place, found in keys.items()}


def _list_asked(stream: Stream) -> Iterator[Publication]:
    """The events that commands made, in order.

    The message that a ticket is opened with belongs to its opening. An emergency that gives nothing back is requested
    by escalation itself, when a clock says so.
    """
    for seq in sorted(stream.first):
        one = stream.first[seq]
        if one.type not in _CALLED:
            continue
        before = stream.first.get(seq - 1)
        if one.type == ADDED and before is not None and before.type == CREATED:
            continue
        if one.type == REQUESTED and one.data.get("emergency") is True and one.data.get("return_of") is None:
            continue
        if one.type != ADDED or one.data.get("author_type") in _WRITERS:
            yield one
