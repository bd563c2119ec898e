"""The lines of a history, and how they are read: strictly, for a checker that overlooks a line proves nothing."""

import gc
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

_TEXT = frozenset({str})
_WHOLE = frozenset({int})
_TIME = frozenset({int, float})
_NONE = frozenset({type(None)})
_YES_NO = frozenset({bool})
_LIST = frozenset({list})
_OBJECT = frozenset({dict})

Fields = tuple[tuple[str, frozenset[type]], ...]


class Run(NamedTuple):
    """What was run, and the bounds it is judged by."""

    seed: int
    commit: str
    started_at: float
    bounds: Mapping[str, float]
    consumers: Mapping[str, list[str]]


class Window(NamedTuple):
    """One fault, from its beginning until everything was quiet again."""

    fault: str
    began_at: float
    ended_at: float | None
    quiet_at: float | None
    ran: bool
    why_not: str
    detail: str
    poison: list[list[Any]]
    poison_records: int
    bystander_s: float | None
    uncounted_s: float


class Operation(NamedTuple):
    """One call of a client, and what it knows of its outcome."""

    fault: str
    process: str
    id: str
    what: str
    subject: str
    key: str
    invoked_at: float
    completed_at: float | None
    outcome: str
    status: int | None
    seq: int | None
    source: str


class Publication(NamedTuple):
    """One record of a topic."""

    source: str
    partition: int
    offset: int
    subject: str
    seq: int
    event_id: str
    type: str
    digest: str
    written_at: float
    data: Mapping[str, Any]
    forged: bool


class Effect(NamedTuple):
    """One event applied by one consumer."""

    consumer: str
    source: str
    subject: str
    seq: int
    event_id: str
    applied_at: float
    row: int


class State(NamedTuple):
    """What a service shows of a subject when all is quiet."""

    service: str
    subject: str
    values: Mapping[str, Any]
    seq: int | None
    digest: str


class Tables(NamedTuple):
    """What stands in a service's tables when all is quiet."""

    service: str
    outbox: int
    lag: int
    below_floor: int
    forks: int
    gaps: int
    parked: list[list[str]]
    poison_records: int
    known_keys: Mapping[str, str]
    parkings: list[list[str]]
    fault: str


class Offsets(NamedTuple):
    """How far a service has read each partition at some moment."""

    service: str
    at: float
    offsets: Mapping[str, int]


_SHAPES: dict[str, tuple[type, Fields, Mapping[str, Any]]] = {
    "run": (
        Run,
        (("seed", _WHOLE), ("commit", _TEXT), ("started_at", _TIME), ("bounds", _OBJECT), ("consumers", _OBJECT)),
        {"consumers": {}},
    ),
    "fault": (
        Window,
        (
            ("fault", _TEXT),
            ("began_at", _TIME),
            ("ended_at", _TIME | _NONE),
            ("quiet_at", _TIME | _NONE),
            ("ran", _YES_NO),
            ("why_not", _TEXT),
            ("detail", _TEXT),
            ("poison", _LIST),
            ("poison_records", _WHOLE),
            ("bystander_s", _TIME | _NONE),
            ("uncounted_s", _TIME),
        ),
        {"why_not": "", "detail": "", "bystander_s": -1, "uncounted_s": 0},
    ),
    "operation": (
        Operation,
        (
            ("fault", _TEXT),
            ("process", _TEXT),
            ("id", _TEXT),
            ("what", _TEXT),
            ("subject", _TEXT),
            ("key", _TEXT),
            ("invoked_at", _TIME),
            ("completed_at", _TIME | _NONE),
            ("outcome", _TEXT),
            ("status", _WHOLE | _NONE),
            ("seq", _WHOLE | _NONE),
            ("source", _TEXT),
        ),
        {"source": ""},
    ),
    "published": (
        Publication,
        (
            ("source", _TEXT),
            ("partition", _WHOLE),
            ("offset", _WHOLE),
            ("subject", _TEXT),
            ("seq", _WHOLE),
            ("event_id", _TEXT),
            ("type", _TEXT),
            ("digest", _TEXT),
            ("written_at", _TIME),
            ("data", _OBJECT),
            ("forged", _YES_NO),
        ),
        {"forged": False},
    ),
    "effect": (
        Effect,
        (
            ("consumer", _TEXT),
            ("source", _TEXT),
            ("subject", _TEXT),
            ("seq", _WHOLE),
            ("event_id", _TEXT),
            ("applied_at", _TIME),
            ("row", _WHOLE),
        ),
        {},
    ),
    "state": (
        State,
        (("service", _TEXT), ("subject", _TEXT), ("values", _OBJECT), ("seq", _WHOLE | _NONE), ("digest", _TEXT)),
        {"seq": None, "digest": ""},
    ),
    "tables": (
        Tables,
        (
            ("service", _TEXT),
            ("outbox", _WHOLE),
            ("lag", _WHOLE),
            ("below_floor", _WHOLE),
            ("forks", _WHOLE),
            ("gaps", _WHOLE),
            ("parked", _LIST),
            ("poison_records", _WHOLE),
            ("known_keys", _OBJECT),
            ("parkings", _LIST),
            ("fault", _TEXT),
        ),
        {"known_keys": {}, "parkings": [], "fault": ""},
    ),
    "offsets": (Offsets, (("service", _TEXT), ("at", _TIME), ("offsets", _OBJECT)), {}),
}
_POISON = (str, str, str, str, int)
_BOUNDS = ("drain_factor", "drain_extra_s", "bystander_s")
_OUTCOMES = frozenset({"ok", "fail", "unknown"})


class Refused(Exception):
    """The file is no whole history; the message names the line and what to do."""


@dataclass(kw_only=True)
class History:
    """A whole history. `torn`: whether a last line was cut off and left out."""

    run: Run
    windows: list[Window] = field(default_factory=list[Window])
    operations: list[Operation] = field(default_factory=list[Operation])
    publications: list[Publication] = field(default_factory=list[Publication])
    effects: list[Effect] = field(default_factory=list[Effect])
    states: list[State] = field(default_factory=list[State])
    tables: list[Tables] = field(default_factory=list[Tables])
    offsets: list[Offsets] = field(default_factory=list[Offsets])
    torn: bool = False


def read_history(path: Path) -> History:
    """Read and look through one file.

    Raises:
        Refused: a line is torn before the end, of an unknown kind or shape, or what a history needs is absent.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return parse_lines(file)


def parse_lines(lines: Iterable[bytes]) -> History:
    """The same of lines in memory, each with its end of line."""
    found: dict[str, list[Any]] = {kind: [] for kind in _SHAPES}
    torn = False
    collecting = gc.isenabled()
    gc.disable()  # millions of small values that all stay: looking through them for cycles again and again finds none
    try:
        for number, line in enumerate(lines, start=1):
            if torn:
                raise Refused(f"line {number - 1}: torn, and not the last; this file was damaged")
            if not line.endswith(b"\n"):
                torn = True
                continue
            kind, value = _parse(line, number)
            found[kind].append(value)
    finally:
        if collecting:
            gc.enable()
    if len(found["run"]) != 1:
        raise Refused(f"{len(found['run'])} run lines; a history has one")
    history = History(
        run=found["run"][0],
        windows=sorted(found["fault"], key=lambda window: window.began_at),
        operations=found["operation"],
        publications=found["published"],
        effects=found["effect"],
        states=found["state"],
        tables=found["tables"],
        offsets=sorted(found["offsets"], key=lambda offsets: offsets.at),
        torn=torn,
    )
    _look_through(history)
    return history


def _parse(line: bytes, number: int) -> tuple[str, Any]:
    try:
        said = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"line {number}: no JSON ({error}); this file was damaged") from error
    if type(said) is not dict or type(said.get("kind")) is not str:
        raise Refused(f"line {number}: no object with a kind")
    kind = said["kind"]
    if kind not in _SHAPES:
        raise Refused(f"line {number}: unknown kind {kind!r}; known are {', '.join(_SHAPES)}")
    shape, fields, defaults = _SHAPES[kind]
    values: list[Any] = []
    for name, types in fields:
        if name in said:
            value = said[name]
            if type(value) is str:
                value = sys.intern(value)
            elif type(value) not in types:
                raise Refused(f"line {number}: {kind}.{name} is {value!r}, of the wrong type")
            if type(value) is str and str not in types:
                raise Refused(f"line {number}: {kind}.{name} is {value!r}, of the wrong type")
        elif name in defaults:
            value = defaults[name]
        else:
            raise Refused(f"line {number}: {kind}.{name} is missing")
        values.append(value)
    return kind, shape(*values)


def _is_made_of(value: Any, types: tuple[type, ...]) -> bool:
    return type(value) is list and tuple(map(type, value)) == types


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _look_through(history: History) -> None:
    """What lines of the right shape can still lack."""
    for name in _BOUNDS:
        if type(history.run.bounds.get(name)) not in _TIME:
            raise Refused(f"run.bounds.{name} is missing or no number")
    names = [window.fault for window in history.windows]
    twice = next((name for name in names if names.count(name) > 1 or not name), None)
    if twice is not None:
        raise Refused(f"window {twice!r} stands twice or has no name; each window has its own")
    known = {*names, ""}
    for operation in history.operations:
        if operation.fault not in known:
            raise Refused(f"operation {operation.id}: window {operation.fault!r} has no fault line: it never ended")
        if operation.outcome not in _OUTCOMES:
            raise Refused(f"operation {operation.id}: outcome {operation.outcome!r} is none of ok, fail, unknown")
    for tables in history.tables:
        if tables.fault not in known:
            raise Refused(f"tables of {tables.service}: window {tables.fault!r} has no fault line: it never ended")
        if not all(_is_made_of(parked, (str, str, str)) for parked in (*tables.parked, *tables.parkings)):
            raise Refused(f"tables of {tables.service}: parked and parkings take [source, subject, reason]")
        if not all(type(subject) is str for subject in tables.known_keys.values()):
            raise Refused(f"tables of {tables.service}: known_keys takes {{key: subject}}")
    for state in history.states:
        if state.seq is not None and not state.digest:
            raise Refused(f"state of {state.subject} in {state.service}: seq without the digest of its events")
    for offsets in history.offsets:
        if not all(type(offset) is int for offset in offsets.offsets.values()):
            raise Refused(f"offsets of {offsets.service}: offsets takes {{partition: next offset}}")
    for consumer, sources in history.run.consumers.items():
        if type(sources) is not list or not all(type(source) is str for source in sources):
            raise Refused(f"run.consumers.{consumer} takes a list of sources")
    for window in history.windows:
        if not all(type(one) is list and _is_made_of(one, _POISON[: max(len(one), 3)]) for one in window.poison):
            raise Refused(f"window {window.fault}: poison takes [consumer, source, subject, reason?, at_seq?]")
        if window.ended_at is not None and window.ended_at < window.began_at:
            raise Refused(f"window {window.fault}: ended before it began")
    if not history.operations or not history.publications:
        raise Refused("no operation or no publication: nothing was run, nothing is proved")
    if not any(not tables.fault for tables in history.tables):
        raise Refused("no tables line of the end: the run was cut off before it was quiet")
