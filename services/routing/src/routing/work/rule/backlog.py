"""All tickets in line, and the first of them that agents of a profile may take."""

from collections.abc import Collection, Iterable

from routing.work.domain import COMFORTABLE, CRITICAL, GUARD_TURN, LATE, STARVED
from routing.work.rule.roster import Agent, Profile, Roster
from routing.work.rule.stages import urgency
from routing.work.rule.waiting import Bucket, Entry, Kind, Lane, Work

Place = tuple[int, int, int, int, int]
"""A ticket's place in line at a moment: (band, order inside it, -value, enqueue time, ticket number), least first."""

LaneKey = tuple[int, int, int, int]
"""(band, weight in quarters, tau, value)"""

ORDINARY = ((STARVED, STARVED), (CRITICAL, CRITICAL), (COMFORTABLE, COMFORTABLE), (LATE, LATE))
GUARD = ((STARVED, STARVED), (GUARD_TURN, LATE), (CRITICAL, CRITICAL), (COMFORTABLE, COMFORTABLE))
"""(the band as it counts now, the band of the lanes)"""


class Backlog:
    """Lines of waiting tickets. Every ticket is in the bucket of its ring and band, which its timers keep true."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._lanes: dict[Profile, dict[LaneKey, Lane]] = {}
        self._lanes_by_band: dict[Profile, dict[int, list[Lane]]] = {}
        self._stamp = 0

    def enqueue(self, work: Work, now: int) -> None:
        """Put a ticket, which was just looked at, in line."""
        kind = work.kind
        key = (work.ring, work.find_band(now), work.excluded, work.only)
        bucket = kind.buckets.get(key)
        if bucket is None:
            bucket = kind.buckets[key] = Bucket(kind, work.view, band=key[1], excluded=key[2], only=key[3])
        if bucket.add(work) and bucket.first is not None:
            self._announce(bucket, bucket.first)

    def withdraw(self, work: Work) -> None:
        """Take a ticket out of line; one that is in none is no error."""
        bucket = work.bucket
        if bucket is None:
            return
        bucket.remove(work)
        if not bucket.count and (bucket.excluded or bucket.only is not None):
            # Sets of excluded agents hardly ever come again. Other buckets are kept, and go with their kind.
            del bucket.kind.buckets[bucket.view.ring, bucket.band, bucket.excluded, bucket.only]

    def admit(self, profile: Profile, kinds: Iterable[Kind]) -> None:
        """Show all tickets in line to a new profile, whose views have admitted it. `kinds`: all there are."""
        self._lanes[profile] = {}
        self._lanes_by_band[profile] = {STARVED: [], CRITICAL: [], COMFORTABLE: [], LATE: []}
        for kind in kinds:
            for bucket in kind.buckets.values():
                if bucket.first is not None and bucket.view.profiles >> profile.index & 1:
                    self._lane(profile, bucket).announce((bucket.first, bucket.stamp, bucket))

    def expel(self, profile: Profile) -> None:
        """Forget the lanes of a profile that no agent has any more."""
        del self._lanes[profile]
        del self._lanes_by_band[profile]

    def first_for(
        self, profile: Profile, agents: Collection[Agent], *, free: int, guard: bool, now: int
    ) -> tuple[Place, Work] | None:
        """The first ticket in line that one of these agents, all of one profile, may take, and its place.

        Args:
            free: the most free capacity that one of them has, in quarters.
            guard: whether a late ticket has its turn.
        """
        lanes_by_band = self._lanes_by_band[profile]
        for band, lane_band in GUARD if guard else ORDINARY:
            best: Entry | None = None
            for lane in lanes_by_band[lane_band]:
                if lane.weight > free or not lane.announcements:
                    continue
                entry, _, bucket = lane.announcements[0]
                if entry is not bucket.first or bucket.excluded or bucket.only is not None:
                    entry = lane.first(agents)
                    if entry is None:
                        continue
                if band == COMFORTABLE:
                    entry = (-urgency(now - entry[2], lane.tau), *entry[1:])
                if best is None or entry < best:
                    best = entry
            if best is not None:
                order, minus_value, enqueued_at, number, _, work = best
                return (band, order, minus_value, enqueued_at, number), work
        return None

    def _announce(self, bucket: Bucket, first: Entry) -> None:
        self._stamp += 1
        bucket.stamp = self._stamp
        announcement = (first, bucket.stamp, bucket)
        if bucket.lanes_version != bucket.view.version:
            bucket.lanes_version = bucket.view.version
            members = self._roster.members(bucket.view.profiles)
            bucket.lanes = [self._lane(profile, bucket) for profile in members]
        for lane in bucket.lanes:
            lane.announce(announcement)

    def _lane(self, profile: Profile, bucket: Bucket) -> Lane:
        kind = bucket.kind
        key = (bucket.band, kind.weight, kind.tau, kind.value)
        lane = self._lanes[profile].get(key)
        if lane is None:
            lane = self._lanes[profile][key] = Lane(weight=kind.weight, tau=kind.tau)
            self._lanes_by_band[profile][bucket.band].append(lane)
        return lane


def place_of(work: Work, now: int) -> Place:
    """A ticket's place in line, when no late ticket has its turn."""
    band, facts = work.find_band(now), work.facts
    if band == COMFORTABLE:
        order = -urgency(now - facts.enqueued_at, facts.tau)
    else:
        order = facts.deadline if band == CRITICAL else facts.enqueued_at
    return band, order, -work.kind.value, facts.enqueued_at, work.number
