"""Waiting tickets in line: buckets of tickets that are alike, and per profile the lanes that find the first of them.

A bucket holds tickets of equal needs, ring, band, weight, target, value and exclusions, so inside one the order never
changes and the first ticket stands for all. A lane holds, for one profile of agents, all buckets that this profile may
take from and whose order compares without the time, so the first of a lane is found without looking at the others.
Both are heaps that drop stale entries only when these come to the top.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace

from routing.work.domain import CRITICAL, WorkFacts
from routing.work.rule.needs import Needs, View
from routing.work.rule.stages import Stage

STALE_ENTRIES = 32
"""Stale entries that a heap may hold beside as many as it has live ones."""

LaneKey = tuple[int, int, int]
"""(weight in quarters, tau, value)"""

Entry = tuple[int, int, int, int, int, "Work"]
"""(order, -value, enqueue time, ticket number, serial, ticket): the first five make entries unique and ordered."""


class Work:
    """A waiting ticket as the engine holds it. `excluded` are the numbers of the agents excluded at the last look."""

    __slots__ = ("bucket", "excluded", "facts", "needs", "next_at", "number", "ring", "serial", "stage", "value")

    def __init__(self, facts: WorkFacts, needs: Needs, stage: Stage, *, value: int, serial: int) -> None:
        self.facts = facts
        self.number = facts.ticket_id.int
        self.needs = needs
        self.stage = stage
        self.value = value
        self.serial = serial
        self.ring = 0
        self.excluded: frozenset[int] = frozenset()
        self.bucket: Bucket | None = None
        self.next_at: int | None = None


class Bucket:
    """Waiting tickets that differ only in their place in line. Its first entry is always live."""

    __slots__ = ("band", "count", "entries", "excluded", "lane_key", "lanes", "lanes_version", "stamp", "view")

    def __init__(self, *, view: View, band: int, lane_key: LaneKey, excluded: frozenset[int]) -> None:
        self.view = view
        self.band = band
        self.lane_key = lane_key
        self.excluded = excluded
        self.entries: list[Entry] = []
        self.count = 0
        self.stamp = 0
        """Which announcement in the lanes is valid; 0 while the bucket is empty."""
        self.lanes: list[Lane] = []
        self.lanes_version = -1
        """The version of the view for which `lanes` were found."""

    def add(self, work: Work) -> bool:
        """Put a ticket in line. Returns whether it became the first, so that the lanes must be told."""
        facts = work.facts
        order = facts.deadline if self.band == CRITICAL else facts.enqueued_at
        entry = (order, -work.value, facts.enqueued_at, work.number, work.serial, work)
        work.bucket = self
        self.count += 1
        heappush(self.entries, entry)
        return self.entries[0] is entry

    def remove(self, work: Work) -> None:
        """Take a ticket out of line."""
        work.bucket = None
        self.count -= 1
        entries = self.entries
        if not self.count:
            entries.clear()
            self.stamp = 0
            return
        while entries[0][5].bucket is not self:
            heappop(entries)
        if len(entries) > 2 * self.count + STALE_ENTRIES:
            entries[:] = [entry for entry in entries if entry[5].bucket is self]
            heapify(entries)


class Lane:
    """The buckets of one weight, target, value and band that agents of one profile may take from, first one first."""

    __slots__ = ("announcements", "limit")

    def __init__(self) -> None:
        self.announcements: list[tuple[Entry, int, Bucket]] = []
        self.limit = STALE_ENTRIES

    def announce(self, announcement: tuple[Entry, int, Bucket]) -> None:
        """Say that a bucket has a new first ticket that goes before its former first one, or any at all.

        Args:
            announcement: the first entry, the bucket's stamp, the bucket.
        """
        announcements = self.announcements
        heappush(announcements, announcement)
        if len(announcements) > self.limit:
            announcements[:] = [a for a in announcements if a[1] == a[2].stamp]
            heapify(announcements)
            self.limit = 2 * len(announcements) + STALE_ENTRIES

    def first(self) -> Bucket | None:
        """The bucket with the first ticket of this lane; None if no ticket is in it."""
        announcements = self.announcements
        while announcements:
            entry, stamp, bucket = announcements[0]
            if stamp != bucket.stamp:
                heappop(announcements)
            elif entry is not bucket.entries[0]:
                # The first ticket left, and the next moved up, which is not announced: it only goes back in the lane.
                heapreplace(announcements, (bucket.entries[0], stamp, bucket))
            else:
                return bucket
        return None

    def first_allowed(self, allows: Callable[[Bucket], bool]) -> Bucket | None:
        """Like `first`, passing over buckets that are not allowed (because of exclusions)."""
        passed: list[tuple[Entry, int, Bucket]] = []
        bucket = self.first()
        while bucket is not None and not allows(bucket):
            passed.append(heappop(self.announcements))
            bucket = self.first()
        for announcement in passed:
            heappush(self.announcements, announcement)
        return bucket
