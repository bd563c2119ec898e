"""The story of a subject: its operations, publications and effects in order of time, cut to the break."""

from typing import NamedTuple

from tests.faults.checker.case import Breach, Case

LONGEST = 14
"""Lines of a story."""


class _Line(NamedTuple):
    at: float
    text: str
    marked: bool


def tell(case: Case, breach: Breach) -> list[str]:
    """The lines of a breach's story, the marked ones (with `>`) at the break; empty where no subject broke."""
    lines = sorted(_collect(case, breach), key=lambda line: line.at)
    if not lines:
        return []
    marks = [place for place, line in enumerate(lines) if line.marked]
    if not marks:
        marks = [min(range(len(lines)), key=lambda place: abs(lines[place].at - (breach.at or lines[-1].at)))]
    kept: set[int] = set()
    for distance in range(len(lines)):
        for place in marks:
            for near in (place - distance, place + distance):
                if 0 <= near < len(lines) and len(kept) < LONGEST:
                    kept.add(near)
        if len(kept) >= min(LONGEST, len(lines)) or distance >= 3:
            break
    start = lines[0].at
    told: list[str] = []
    before = -1
    for place in sorted(kept):
        if place - before > 1:
            told.append(f"    ... {place - before - 1} lines")
        line = lines[place]
        told.append(f"  {'>' if line.marked else ' '} {line.at - start:+10.3f} s  {line.text}")
        before = place
    if before < len(lines) - 1:
        told.append(f"    ... {len(lines) - 1 - before} lines")
    return told


def _collect(case: Case, breach: Breach) -> list[_Line]:
    history, subject = case.history, breach.subject
    if not subject:
        return [
            _Line(one.invoked_at, f"{one.process} {one.what} {one.outcome} {one.status or ''} key {one.key}", True)
            for one in history.operations
            if not one.subject and breach.at == (one.completed_at or one.invoked_at)
        ]
    keys = {one.key for one in history.operations if one.subject == subject and one.what == "open"}
    found: list[_Line] = []
    for one in history.operations:
        if one.subject == subject or (one.key and one.key in keys):
            named = f" event {one.seq} of {one.source}" if one.seq else ""
            text = f"{one.process} {one.what} {one.outcome} {one.status or ''} key {one.key}{named}"
            at = one.completed_at or one.invoked_at
            found.append(_Line(at, text, not breach.source and at == breach.at))
    for one in history.publications:
        if one.subject == subject:
            text = (
                f"{one.source} published {one.seq} {one.type} {one.event_id} at {one.partition}/{one.offset}"
                f"{' (forged)' if one.forged else ''}"
            )
            found.append(_Line(one.written_at, text, _is_marked(breach, one.source, one.seq)))
    for one in history.effects:
        if one.subject == subject and breach.consumer in {"", one.consumer}:
            text = f"{one.consumer} applied {one.source} {one.seq} {one.event_id}, row {one.row}"
            found.append(_Line(one.applied_at, text, _is_marked(breach, one.source, one.seq)))
    return found


def _is_marked(breach: Breach, source: str, seq: int) -> bool:
    return breach.seq > 0 and (source, seq) == (breach.source, breach.seq)
