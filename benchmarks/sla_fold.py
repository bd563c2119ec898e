"""One more event folded into a ticket's clocks, beside folding all its events anew: `python -m benchmarks.sla_fold`.

Pure work, no server: decode the event, find its place, move the clocks, and say what is to be told. The ticket waits,
answers, pauses and changes its priority in turn; its clocks count by office hours in Vienna with Austria's holidays,
which costs more than counting around the clock. The baseline folds the log from the beginning for each event, as one
would who keeps no state, with the same code and the same calendar tables. Only the share of time in which this process
had a processor counts, since the machine may be shared.
"""

import argparse
import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks.report import Row, record
from contracts.envelope import Event
from contracts.intake import MessageAdded, TicketCreated, TicketPriorityChanged, TicketStatusChanged
from contracts.registry import Body, encode_body
from contracts.words import Source
from escalation.calendars.domain import Calendar
from escalation.calendars.usecases import open_hours
from escalation.sla.domain import Book, Policy, Revision
from escalation.sla.effects import Clocks, Folded
from escalation.sla.fold import extend, fold
from escalation.sla.telling import UNTOLD, Occasion, Told, tell

RUNS = 7
SIZES = (10, 30, 100)
LEAST = 20_000
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TICKET = UUID(int=1)
TARGETS = {"urgent": 3_600, "high": 14_400, "normal": 28_800, "low": 57_600}
KINDS = ("first_response", "next_response", "resolution", "handoff_accept")
OFFICE = (*((((9 * 3_600, 12 * 3_600), (13 * 3_600, 17 * 3_600)),) * 5), (), ())


def main() -> None:
    """Measure every size in turn with its baseline, and record the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more repetitions of each run")
    repetitions = 20_000 if parser.parse_args().full else 5_000
    book = make_book()
    for size in SIZES:
        rates, beside = measure(book, size, repetitions)
        what = f"SLA fold, one more event into a ticket with {size} events"
        record(
            Row(
                id="S11",
                what=what,
                unit="folds/s",
                runs=rates,
                at_least=LEAST if size == 30 else None,
                note="decode, place, move the clocks, say what to tell; per second of a processor",
            )
        )
        record(
            Row(
                id="S11",
                what=f"{what}, beside folding anew",
                unit="folds/s",
                runs=rates,
                baseline="the whole log for each event",
                baseline_runs=beside,
            )
        )


@dataclass(frozen=True, kw_only=True)
class Case:
    """A ticket as it is kept, and the event that comes next."""

    history: Sequence[Event]
    folded: Folded
    clocks: Clocks
    told: Mapping[UUID, Told]
    event: Event


def measure(book: Book, size: int, repetitions: int) -> tuple[Sequence[float], Sequence[float]]:
    """Folds a second, ours and the baseline's, run by run; the first run of each is thrown away."""
    cases = [make_case(book, size + number) for number in range(len(STEPS))]
    gc.collect()
    gc.disable()
    ours: list[float] = []
    beside: list[float] = []
    for _ in range(RUNS + 1):
        ours.append(run_extending(book, cases, repetitions // len(cases)))
        beside.append(run_anew(book, cases, max(repetitions // size // len(cases), 5)))
    gc.enable()
    return ours[1:], beside[1:]


def make_case(book: Book, size: int) -> Case:
    """A ticket of so many events with the next one."""
    *history, event = events(size + 1)
    folded, clocks = fold(history, book)
    return Case(
        history=history,
        folded=folded,
        clocks={clock_id: clock for clock_id, clock in clocks.items() if clock.may_return},
        told=tell_all(clocks, {}, book, history[-1].time),
        event=event,
    )


def run_extending(book: Book, cases: Sequence[Case], rounds: int) -> float:
    """Folds a second of one event into what is kept of its ticket."""
    started, processor = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        for case in cases:
            _, changed = extend(case.folded, case.clocks, case.event, book)
            occasion = Occasion(case.event.time, case.event.id)
            for clock in changed:
                tell(clock, case.told.get(clock.clock_id, UNTOLD), book, occasion)
    return _rate(rounds * len(cases), started, processor)


def run_anew(book: Book, cases: Sequence[Case], rounds: int) -> float:
    """The same without any state: the log and the event, folded from the beginning."""
    started, processor = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        for case in cases:
            _, clocks = fold([*case.history, case.event], book)
            tell_all(clocks, case.told, book, case.event.time)
    return _rate(rounds * len(cases), started, processor)


def tell_all(clocks: Clocks, told: Mapping[UUID, Told], book: Book, now: datetime) -> dict[UUID, Told]:
    """What was told of every clock once this is told."""
    return {
        clock_id: tell(clock, told.get(clock_id, UNTOLD), book, Occasion(now))[0] for clock_id, clock in clocks.items()
    }


def make_book() -> Book:
    """A policy for all tickets, counted by office hours in Vienna with their lunch and holidays."""
    vienna = Calendar(
        calendar_id=UUID(int=2),
        version=1,
        name="Vienna",
        zone="Europe/Vienna",
        week=OFFICE,
        country="AT",
        created_at=START,
    )
    policy = Policy(
        policy_id=UUID(int=3),
        version=1,
        state="active",
        name="Standard",
        targets_s=dict.fromkeys(KINDS, TARGETS),
        calendar_id=vienna.calendar_id,
        created_at=START,
    )
    revision = Revision(
        number=1,
        effective_from=datetime(1970, 1, 1, tzinfo=UTC),
        policies=((policy.policy_id, 1),),
        calendars={vienna.calendar_id: 1},
    )
    return Book([revision], {(policy.policy_id, 1): policy}, {(vienna.calendar_id, 1): open_hours(vienna)})


def events(count: int) -> Iterator[Event]:
    """A ticket's first events: its creation, and then the same steps again and again, 20 minutes apart."""
    created = TicketCreated(
        ticket_id=TICKET,
        number=1,
        source=Source(channel="web"),
        requester_id=UUID(int=4),
        impact=3,
        urgency=3,
        priority="normal",
    )
    for seq in range(1, count + 1):
        body = created if seq == 1 else STEPS[(seq - 2) % len(STEPS)]
        yield Event(
            id=UUID(int=seq),
            source="/frontline/bench/intake",
            type=body.event_type,
            subject=f"ticket/{TICKET}",
            seq=seq,
            time=START + seq * timedelta(minutes=20),
            data=encode_body(body),
        )


def _message(direction: str, *, asks: bool = False) -> MessageAdded:
    return MessageAdded(
        ticket_id=TICKET,
        message_id=UUID(int=5),
        direction=direction,
        author_type="requester" if direction == "inbound" else "agent",
        channel="web",
        counts_as_response=direction == "outbound",
        awaits_customer=asks,
        ack_only=False,
    )


def _moved(old: str, new: str, hold_reason: str | None = None) -> TicketStatusChanged:
    return TicketStatusChanged(ticket_id=TICKET, old=old, new=new, hold_reason=hold_reason)


STEPS: Sequence[Body] = (
    _message("inbound"),
    _message("outbound", asks=True),
    _moved("open", "pending_customer"),
    _message("inbound"),
    _moved("pending_customer", "open"),
    TicketPriorityChanged(ticket_id=TICKET, old="normal", new="high", reason="override"),
    _moved("open", "on_hold", "third_party"),
    _message("outbound"),
    _moved("on_hold", "open"),
    TicketPriorityChanged(ticket_id=TICKET, old="high", new="normal", reason="override"),
)


def _rate(count: int, started: float, processor: float) -> float:
    """Operations for each second in which this process had a processor."""
    elapsed, used = time.perf_counter() - started, time.process_time() - processor
    return count / (elapsed * min(1.0, used / elapsed))


if __name__ == "__main__":
    main()
