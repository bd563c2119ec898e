"""I5 to I7: what must hold when all is quiet again, and how soon it was."""

from collections.abc import Mapping
from typing import Any

from tests.faults.checker.case import Breach, Case
from tests.faults.checker.fold import ALIASES, Impossible, fold_ticket
from tests.faults.checker.lines import Publication, State, Tables, Window

_FOLDED = ("intake", "routing", "escalation")


def judge_quiet(case: Case) -> None:
    """Judge the tables, the shown state and the time that each window took to drain."""
    for tables in case.history.tables:
        _judge_tables(case, tables)
    _judge_offsets(case)
    _judge_presence(case)
    _judge_poison_records(case)
    for state in case.history.states:
        if state.values and state.subject.startswith("ticket/"):
            _judge_state(case, state)
    for window in case.history.windows:
        if window.ran:
            _judge_drain(case, window)


def _judge_presence(case: Case) -> None:
    final = {tables.service for tables in case.history.tables if not tables.fault}
    expected = {*case.sources, *(source for sources in case.sources.values() for source in sources)}
    expected.update(one.source for one in case.history.publications)
    for service in sorted(expected - final):
        _add(case, "I5", service, "nobody looked into its tables at the end: no tables line")


def _judge_offsets(case: Case) -> None:
    """No stored offset goes back or away, from one look to the next."""
    noted: dict[str, Mapping[str, int]] = {}
    for offsets in case.history.offsets:
        service, fault = offsets.service, case.window_at(offsets.at)
        for place, before in noted.get(service, {}).items():
            now = offsets.offsets.get(place)
            if now is None or now < before:
                says = f"the stored offset of {place} was {before}, and {'is gone' if now is None else f'is {now}'}"
                _add(case, "I6", service, says, fault=fault, at=offsets.at)
        noted[service] = {**noted.get(service, {}), **offsets.offsets}
    for service in sorted(case.sources.keys() - noted.keys()):
        _add(case, "I6", service, "nobody looked how far it had read: no offsets line")


def _judge_tables(case: Case, tables: Tables) -> None:
    service, fault = tables.service, tables.fault
    for name, count in (("outbox rows", tables.outbox), ("records of lag", tables.lag)):
        if count:
            _add(case, "I5", service, f"{count} {name} left in {service} when quiet", fault=fault)
    if tables.below_floor:
        _add(case, "I6", service, f"{tables.below_floor} rows below the floor of {service}", fault=fault)
    began = {window.fault: window.began_at for window in case.history.windows}
    until = began[fault] if fault else float("inf")
    meant = {
        (source, subject): poison
        for (consumer, source, subject), poison in case.poison.items()
        if consumer == service and began[poison.fault] <= until
    }
    parked = {(source, subject): reason for source, subject, reason in tables.parked}
    for (source, subject), reason in sorted(parked.items()):
        wanted = meant.get((source, subject))
        if wanted is None:
            says = f"{service} parked {source} of this subject ({reason}) without poison"
            _add(case, "I5", subject, says, fault=fault, source=source)
        elif wanted.reason and wanted.reason != reason:
            says = f"{service} parked {source} of this subject as {reason}, the poison was a {wanted.reason}"
            _add(case, "I5", subject, says, fault=fault, source=source)
    for source, subject, reason in sorted(map(tuple, tables.parkings)):
        if (source, subject) not in meant:
            says = f"{service} parked {source} of this subject ({reason}) for a while, without poison"
            _add(case, "I5", subject, says, fault=fault, source=source)
    told = {(source, subject) for source, subject, _ in tables.parkings}
    for (source, subject), poison in sorted(meant.items()):
        if not fault and (source, subject) not in told:
            says = f"nobody noted that {service} parked {source} of this subject: others may be overlooked as well"
            _add(case, "I5", subject, says, fault=poison.fault, source=source)
        if (source, subject) not in parked:
            says = f"{service} did not park {source} of this subject, though it was poisoned"
            _add(case, "I5", subject, says, fault=fault or poison.fault, source=source)
    for reason, count in (("fork", tables.forks), ("gap", tables.gaps)):
        least = sum(poison.reason == reason for poison in meant.values())
        most = least + sum(not poison.reason for poison in meant.values())
        if not least <= count <= most:
            says = f"{service} counts {count} {reason}s, injected were {least}"
            counts = "forks" if reason == "fork" and count > most else ""
            _add(case, "I6", service, says, fault=fault, counts=counts)


def _judge_poison_records(case: Case) -> None:
    injected = sum(window.poison_records for window in case.history.windows if window.ran)
    kept = sum(tables.poison_records for tables in case.history.tables if not tables.fault)
    if injected != kept:
        services = ", ".join(
            sorted(tables.service for tables in case.history.tables if not tables.fault and tables.poison_records)
        )
        _add(
            case, "I5", "poison", f"{kept} poison records are kept ({services or 'nowhere'}), injected were {injected}"
        )


def _judge_state(case: Case, state: State) -> None:
    """Compare what a service shows with the fold over what it has heard: its own events, and those it applied."""
    heard: list[list[Publication]] = []
    for source in _FOLDED:
        stream = case.streams.get((source, state.subject))
        count = case.applied_count((state.service, source, state.subject)) if stream else 0
        heard.append([stream.first[seq] for seq in sorted(stream.first) if seq <= count] if stream else [])
    if not any(heard):
        _add(case, "I5", state.subject, f"{state.service} shows a ticket of which no topic tells")
        return
    try:
        folded = fold_ticket(*heard)
    except Impossible as error:
        event = error.event
        says = f"{event.source} {event.seq}: {error}"
        fault = case.window_at(event.written_at)
        _add(case, "I5", state.subject, says, fault=fault, source=event.source, seq=event.seq, at=event.written_at)
        return
    except (KeyError, TypeError, ValueError) as error:
        _add(case, "I5", state.subject, f"its events cannot be folded: {error!r}")
        return
    wrong = _compare(state.values, folded)
    if wrong:
        last = max((events[-1] for events in heard if events), key=lambda one: one.written_at)
        fault = case.window_at(last.written_at)
        says = f"{state.service} shows {'; '.join(wrong)}"
        _add(case, "I5", state.subject, says, fault=fault, at=last.written_at)


def _compare(values: Mapping[str, Any], folded: Mapping[str, Any]) -> list[str]:
    wrong: list[str] = []
    for name, shown in values.items():
        known = ALIASES.get(name, name)
        if known not in folded:
            wrong.append(f"{name}, for which there is no fold: leave it out")
        elif shown != folded[known]:
            wrong.append(f"{name} {shown!r}, the topics say {folded[known]!r}")
    return wrong


def _judge_drain(case: Case, window: Window) -> None:
    if window.ended_at is None:
        _add(case, "I7", window.fault, "the fault never ended", fault=window.fault, at=window.began_at)
        return
    if window.quiet_at is None:
        _add(case, "I7", window.fault, "never quiet again", fault=window.fault, at=window.ended_at)
        return
    took = window.quiet_at - window.ended_at
    if took > drain_bound(case, window):
        says = f"quiet {took:.1f} s after its end, at most {drain_bound(case, window):.1f} s"
        _add(case, "I7", window.fault, says, fault=window.fault, at=window.quiet_at)


def drain_bound(case: Case, window: Window) -> float:
    """Seconds that a window may take until it is quiet, after its end."""
    bounds = case.history.run.bounds
    length = max(0.0, (window.ended_at or window.began_at) - window.began_at - window.uncounted_s)
    return bounds["drain_factor"] * length + bounds["drain_extra_s"]


def _add(
    case: Case,
    invariant: str,
    subject: str,
    says: str,
    *,
    fault: str = "",
    source: str = "",
    seq: int = 0,
    at: float = 0.0,
    counts: str = "",
) -> None:
    case.breaches.append(
        Breach(
            invariant=invariant,
            fault=fault,
            subject=subject,
            says=says,
            source=source,
            seq=seq,
            at=at,
            counts_as=counts,
        )
    )
