"""All tickets in line, and the first of them that agents of a profile may take."""

from collections.abc import Callable, Collection, Iterator

from routing.work.domain import COMFORTABLE, CRITICAL, GUARD_TURN, LATE, STARVED
from routing.work.rule.needs import Needs
from routing.work.rule.roster import Agent, Profile, Roster
from routing.work.rule.stages import urgency
from routing.work.rule.waiting import Bucket, Lane, LaneKey, Work

BucketKey = tuple[int, int, LaneKey, frozenset[int]]
"""(ring, band, lane key, excluded)"""

Place = tuple[int, int, int, int, int]
"""A ticket's place in line at a moment: (band, order inside it, -value, enqueue time, ticket number), least first."""

ORDINARY = (STARVED, CRITICAL, COMFORTABLE, LATE)
GUARD = (STARVED, GUARD_TURN, CRITICAL, COMFORTABLE)


class Backlog:
    """Lines of waiting tickets. Every ticket is in the bucket of its ring and band, which its timers keep true."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._buckets: dict[Needs, dict[BucketKey, Bucket]] = {}
        self._lanes: dict[Profile, dict[int, dict[LaneKey, Lane]]] = {}
        self._stamp = 0

    def enqueue(self, work: Work, now: int) -> None:
        """Put a ticket, whose ring and exclusions are up to date, in line."""
        facts, band = work.facts, work.stage.band(now)
        lane_key = (facts.weight_quarters, facts.tau, work.value)
        key = (work.ring, band, lane_key, work.excluded)
        buckets = self._buckets.get(work.needs)
        if buckets is None:
            buckets = self._buckets[work.needs] = {}
        bucket = buckets.get(key)
        if bucket is None:
            view = work.needs.view(work.ring)
            bucket = buckets[key] = Bucket(view=view, band=band, lane_key=lane_key, excluded=work.excluded)
        if bucket.add(work):
            self._announce(bucket)

    def withdraw(self, work: Work) -> None:
        """Take a ticket out of line; one that is in none is no error."""
        bucket = work.bucket
        if bucket is None:
            return
        bucket.remove(work)
        if not bucket.count:
            buckets = self._buckets[work.needs]
            del buckets[bucket.view.ring, bucket.band, bucket.lane_key, bucket.excluded]
            if not buckets:
                del self._buckets[work.needs]

    def admit(self, profile: Profile) -> None:
        """Show the tickets in line to a new profile, whose views have admitted it."""
        self._lanes[profile] = {band: {} for band in ORDINARY}
        for buckets in self._buckets.values():
            for bucket in buckets.values():
                if bucket.view.profiles >> profile.index & 1:
                    self._lane(profile, bucket).announce((bucket.entries[0], bucket.stamp, bucket))

    def expel(self, profile: Profile) -> None:
        """Forget the lanes of a profile that no agent has any more."""
        del self._lanes[profile]

    def buckets(self, needs: Needs) -> Iterator[Bucket]:
        """The buckets of the tickets with the same needs."""
        yield from self._buckets.get(needs, {}).values()

    def first_for(
        self, profile: Profile, agents: Collection[Agent], *, guard: bool, now: int
    ) -> tuple[Place, Work] | None:
        """The first ticket in line that one of these agents, all of one profile, may take, and its place.

        Args:
            guard: whether a late ticket has its turn.
        """
        free = max(agent.capacity - agent.load for agent in agents)
        lanes = self._lanes[profile]
        for band in GUARD if guard else ORDINARY:
            best: tuple[Place, Work] | None = None
            for lane_key, lane in lanes[LATE if band == GUARD_TURN else band].items():
                if lane_key[0] > free or not lane.announcements:
                    continue
                bucket = lane.first()
                if bucket is not None and bucket.excluded:
                    bucket = lane.first_allowed(_allows(agents))
                if bucket is None:
                    continue
                order, minus_value, enqueued_at, number, _, work = bucket.entries[0]
                if band == COMFORTABLE:
                    order = -urgency(now - enqueued_at, lane_key[1])
                place = (band, order, minus_value, enqueued_at, number)
                if best is None or place < best[0]:
                    best = place, work
            if best is not None:
                return best
        return None

    def _announce(self, bucket: Bucket) -> None:
        self._stamp += 1
        bucket.stamp = self._stamp
        announcement = (bucket.entries[0], bucket.stamp, bucket)
        if bucket.lanes_version != bucket.view.version:
            bucket.lanes_version = bucket.view.version
            members = self._roster.members(bucket.view.profiles)
            bucket.lanes = [self._lane(profile, bucket) for profile in members]
        for lane in bucket.lanes:
            lane.announce(announcement)

    def _lane(self, profile: Profile, bucket: Bucket) -> Lane:
        lanes = self._lanes[profile][bucket.band]
        lane = lanes.get(bucket.lane_key)
        if lane is None:
            lane = lanes[bucket.lane_key] = Lane()
        return lane


def place_of(work: Work, now: int) -> Place:
    """A ticket's place in line, when no late ticket has its turn."""
    band, facts = work.stage.band(now), work.facts
    if band == COMFORTABLE:
        order = -urgency(now - facts.enqueued_at, facts.tau)
    else:
        order = facts.deadline if band == CRITICAL else facts.enqueued_at
    return band, order, -work.value, facts.enqueued_at, work.number


def _allows(agents: Collection[Agent]) -> Callable[[Bucket], bool]:
    def allows(bucket: Bucket) -> bool:
        weight = bucket.lane_key[0]
        return any(a.number not in bucket.excluded and a.capacity - a.load >= weight for a in agents)

    return allows
