"""Waiting tickets in line: buckets of tickets that are alike, and per profile the lanes that find the first of them.

In a bucket are tickets of one kind, ring, band and set of agents who are not asked, so inside one the order never
changes and the first ticket stands for all. A lane holds, for one profile of agents, the buckets that this profile
may take from and whose order compares without the time, so the first of a lane is found without looking at the others.
"""

from collections.abc import Collection, Iterator
from heapq import heapify, heappop, heappush, heapreplace

from routing.work.domain import CRITICAL, FOREVER, WorkFacts
from routing.work.rule.needs import Needs, View
from routing.work.rule.roster import Agent
from routing.work.rule.stages import Stages, Targets

STALE_ENTRIES = 32
"""Stale entries that a heap may hold beside as many as it has live ones."""

NOBODY: frozenset[int] = frozenset()

BucketKey = tuple[int, int, frozenset[int], int | None]
"""(ring, band, excluded, the number of the only agent asked)"""


class Kind:
    """What tickets have in common that differ in nothing but time and exclusions."""

    __slots__ = ("buckets", "needs", "reachable", "targets", "tau", "value", "waiting", "weight")

    def __init__(self, needs: Needs, *, weight: int, tau: int, value: int) -> None:
        self.needs = needs
        self.weight = weight
        self.tau = tau
        self.targets = Targets(needs.policy, tau)
        self.value = value
        self.waiting = 0
        """How many such tickets wait."""
        self.buckets: dict[BucketKey, Bucket] = {}
        self.reachable: bool | None = None
        """Whether some known agent could take such tickets once they are late; None if it must be found out."""


class Work(Stages):
    """Waiting work as the engine holds it. Ring, view and excluded agents are as of the last look, if any."""

    __slots__ = ("barred", "bucket", "excluded", "facts", "kind", "next_at", "number", "only", "ring", "serial", "view")

    def __init__(self, facts: WorkFacts, kind: Kind, *, serial: int) -> None:
        Stages.__init__(self, facts, kind.targets)
        self.facts = facts
        self.number = facts.work_id.int
        self.kind = kind
        self.serial = serial
        self.ring = 0
        self.bucket: Bucket | None = None
        self.next_at: int | None = None
        """When its timer fires; None if it has none."""
        self.excluded = NOBODY
        self.barred = NOBODY
        """Numbers of the agents who are excluded for ever."""
        if facts.excluded:
            self.barred = frozenset(agent.int for agent, until in facts.excluded.items() if until >= FOREVER)
        self.only = facts.preferred.int if facts.preferred is not None and facts.only_preferred else None
        """The number of the only agent who is asked; None where anybody is."""

    @property
    def is_choosy(self) -> bool:
        """Whether some agents never take it although they could take others of its kind."""
        return bool(self.barred) or self.only is not None

    def admits(self, number: int) -> bool:
        """Whether the agent is asked, as far as exclusions go."""
        return number not in self.excluded and (self.only is None or number == self.only)

    def look(self, now: int) -> None:
        """Bring ring, view and excluded agents up to date. Not while the ticket is in a bucket: it may be another's."""
        ring = self.find_ring(now)
        if ring != self.ring:
            self.ring = ring
            self.view = self.kind.needs.view(ring)
        if self.facts.excluded:
            self.excluded = frozenset(agent.int for agent, until in self.facts.excluded.items() if until > now)

    def next_look_at(self, now: int) -> int | None:
        """When ring, band or excluded agents change next; None if they never will."""
        at = self.next_stage_at(now)
        if not self.facts.excluded:
            return at
        ends = [until for until in self.facts.excluded.values() if now < until < FOREVER]
        return min(ends if at is None else (*ends, at), default=None)


Entry = tuple[int, int, int, int, int, Work]
"""(order, -value, enqueue time, ticket number, serial, ticket): the first five make entries unique and ordered."""


class Bucket:
    """Waiting tickets that differ only in their place in line.

    Tickets nearly always come in order, so most stand in a row; a heap holds the few that came out of order.
    Both keep the entries of tickets that left until these come to the front.
    """

    __slots__ = (
        "band",
        "count",
        "excluded",
        "first",
        "kind",
        "lanes",
        "lanes_version",
        "only",
        "others",
        "row",
        "stamp",
        "start",
        "view",
    )

    def __init__(self, kind: Kind, view: View, *, band: int, excluded: frozenset[int], only: int | None) -> None:
        self.kind = kind
        self.view = view
        self.band = band
        self.excluded = excluded
        self.only = only
        self.first: Entry | None = None
        self.row: list[Entry] = []
        self.start = 0
        """Where the row begins; what stands before left."""
        self.others: list[Entry] = []
        self.count = 0
        self.stamp = 0
        """Which announcement in the lanes is valid; 0 while the bucket is empty."""
        self.lanes: list[Lane] = []
        self.lanes_version = -1
        """The version of the view for which `lanes` were found."""

    def add(self, work: Work) -> bool:
        """Put a ticket in line. Returns whether it became the first, so that the lanes must be told."""
        enqueued_at = work.facts.enqueued_at
        order = work.facts.deadline if self.band == CRITICAL else enqueued_at
        entry = (order, -self.kind.value, enqueued_at, work.number, work.serial, work)
        work.bucket = self
        self.count += 1
        row = self.row
        if not row or row[-1] < entry:
            row.append(entry)
        else:
            heappush(self.others, entry)
        if self.first is None or entry < self.first:
            self.first = entry
            return True
        return False

    def remove(self, work: Work) -> None:
        """Take a ticket out of line."""
        work.bucket = None
        self.count -= 1
        if not self.count:
            self.row.clear()
            self.others.clear()
            self.start = 0
            self.first = None
            self.stamp = 0
            return
        first = self.first
        if first is not None and first[5] is work:
            self._find_first()
        if len(self.row) - self.start + len(self.others) > 2 * self.count + STALE_ENTRIES:
            self.row = [entry for entry in self.row[self.start :] if entry[5].bucket is self]
            self.start = 0
            self.others = [entry for entry in self.others if entry[5].bucket is self]
            heapify(self.others)

    def works(self) -> Iterator[Work]:
        """The tickets, in no order."""
        return (entry[5] for entry in (*self.row[self.start :], *self.others) if entry[5].bucket is self)

    def _find_first(self) -> None:
        row, others, start = self.row, self.others, self.start
        end = len(row)
        while start < end and row[start][5].bucket is not self:
            start += 1
        if start > STALE_ENTRIES and 2 * start > end:
            del row[:start]
            start, end = 0, end - start
        self.start = start
        while others and others[0][5].bucket is not self:
            heappop(others)
        if start < end:
            self.first = min(row[start], others[0]) if others else row[start]
        else:
            self.first = others[0]


Announcement = tuple[Entry, int, Bucket]
"""(the bucket's first entry, its stamp, the bucket)"""


class Lane:
    """The buckets of one band, weight, target and value that agents of one profile may take from, first one first."""

    __slots__ = ("announcements", "limit", "tau", "weight")

    def __init__(self, *, weight: int, tau: int) -> None:
        self.weight = weight
        self.tau = tau
        self.announcements: list[Announcement] = []
        self.limit = STALE_ENTRIES

    def announce(self, announcement: Announcement) -> None:
        """Say that a bucket has a new first ticket that goes before its former first one, or any at all."""
        announcements = self.announcements
        heappush(announcements, announcement)
        if len(announcements) > self.limit:
            announcements[:] = [each for each in announcements if each[1] == each[2].stamp]
            heapify(announcements)
            self.limit = 2 * len(announcements) + STALE_ENTRIES

    def first(self, agents: Collection[Agent]) -> Entry | None:
        """The first ticket of this lane that one of the agents, who have room for it, may take; None without one."""
        announcements = self.announcements
        while announcements:
            entry, stamp, bucket = announcements[0]
            first = bucket.first
            if entry is first:
                if (bucket.excluded or bucket.only is not None) and not self._one_may_take(agents, bucket):
                    return self._first_behind(agents)
                return entry
            if first is None or stamp != bucket.stamp:
                heappop(announcements)
            else:
                # The first ticket left, and the next moved up, which is not announced: it only goes back in the lane.
                heapreplace(announcements, (first, stamp, bucket))
        return None

    def _first_behind(self, agents: Collection[Agent]) -> Entry | None:
        passed = heappop(self.announcements)
        entry = self.first(agents)
        heappush(self.announcements, passed)
        return entry

    def _one_may_take(self, agents: Collection[Agent], bucket: Bucket) -> bool:
        only = bucket.only
        return any(
            a.number not in bucket.excluded
            and (only is None or a.number == only)
            and a.capacity - a.load >= self.weight
            for a in agents
        )
