"""What is known of the waiting tickets, which are new or may go to more agents since the last decision."""

from collections.abc import Iterable
from uuid import UUID

from routing.work.domain import WorkFacts
from routing.work.rule.backlog import Backlog
from routing.work.rule.kinds import KindBook
from routing.work.rule.reach import Watch
from routing.work.rule.roster import Roster
from routing.work.rule.waiting import Work
from routing.work.rule.wheel import Wheel


class Waitlist:
    """All waiting tickets. Keeps lines, timers and the watch over unroutable ones in step with them."""

    def __init__(self, roster: Roster, book: KindBook, backlog: Backlog) -> None:
        self._book = book
        self._backlog = backlog
        self.wheel = Wheel()
        self.watch = Watch(roster, book)
        self._serial = 0
        self.works: dict[int, Work] = {}
        """By ticket number."""
        self.arrived: dict[int, Work] = {}
        """Those that are new, changed or may go to more agents."""
        self._relaxed: dict[int, Work] = {}

    def look_at(self, facts: WorkFacts, now: int) -> Work:
        """A ticket as it would be now, apart from those that wait."""
        work = Work(facts, self._book.find(facts), serial=0)
        work.look(now)
        return work

    def put(self, facts: WorkFacts) -> None:
        """Insert a ticket or replace what is known of one."""
        number = facts.work_id.int
        if number in self.works:
            self.drop(number)
            self.watch.drop(number)
        self._serial += 1
        work = Work(facts, self._book.find(facts), serial=self._serial)
        self.works[number] = self.arrived[number] = work
        work.kind.waiting += 1
        self.watch.add(work)

    def remove(self, number: int) -> None:
        """Forget a ticket; one that does not wait is no error."""
        self.drop(number)
        self.watch.forget(number)

    def drop(self, number: int) -> None:
        """Take a ticket away that may come back at once, changed; one that does not wait is no error."""
        work = self.works.pop(number, None)
        if work is None:
            return
        if work.bucket is not None:
            self._backlog.withdraw(work)
        if self.arrived:
            self.arrived.pop(number, None)
        if self._relaxed:
            self._relaxed.pop(number, None)
        work.kind.waiting -= 1
        work.next_at = None

    def line_up(self, work: Work, now: int) -> None:
        """Put a ticket, which is in no line and was just looked at, into its own, and set its timer."""
        self._backlog.enqueue(work, now)
        work.next_at = work.next_look_at(now)
        if work.next_at is not None:
            self.wheel.add(work)

    def fire_timers(self, now: int) -> None:
        """Move the tickets whose ring, band or exclusions have changed by now."""
        while (work := self.wheel.pop_due(now)) is not None:
            ring, excluded = work.ring, work.excluded
            self._backlog.withdraw(work)
            work.look(now)
            self.line_up(work, now)
            if work.ring != ring:
                self._relaxed[work.number] = self.arrived[work.number] = work
            elif work.excluded != excluded:
                self.arrived[work.number] = work

    def pop_relaxed(self) -> list[tuple[UUID, int]]:
        """The waiting tickets for which a later ring opened since the last call, and the ring."""
        relaxed = [(work.facts.work_id, work.ring) for work in self._relaxed.values()]
        self._relaxed.clear()
        return relaxed

    def everything(self) -> Iterable[Work]:
        """All tickets by number."""
        return (work for _, work in sorted(self.works.items()))
