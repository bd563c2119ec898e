"""A consumer group in memory: eager rebalances, members that hear of them late or never, offsets that only hint."""

import asyncio
from collections.abc import Collection, Mapping

from common.backbone.protocols import OffsetLost, Place, Record
from common.errors import Unavailable
from tests.simulation.broker import Topic
from tests.simulation.loop import Loop, Process

_POLL_WAIT_S = 0.5
_SESSION_S = 6.0
_REJOIN_LIMIT_S = 6.0
_FETCHED_AT_ONCE = (1, 2, 5, 1000)


class Group:
    """Who reads which partition of a topic."""

    def __init__(self, loop: Loop, topic: Topic) -> None:
        self.loop = loop
        self.topic = topic
        self.hints: dict[Place, int] = {}
        self._members: list[MemoryIncoming] = []
        self._joined: list[MemoryIncoming] = []
        self._round = 0
        self._dealing = False

    def open(self, process: Process) -> "MemoryIncoming":
        """Join. The first assignment comes later.

        Raises:
            Unavailable: the brokers do not answer.
        """
        if self.topic.away:
            raise Unavailable("no broker answers")
        member = MemoryIncoming(self, process)
        self._members.append(member)
        process.at_death.append(lambda: self.loop.soon(lambda: self.leave(member), _SESSION_S))
        self.rebalance()
        return member

    def leave(self, member: "MemoryIncoming") -> None:
        """A member is gone, or has been silent for too long."""
        if member in self._members:
            self._members.remove(member)
            self.rebalance()

    def put_out(self, process: Process, seconds: float) -> None:
        """A process's heartbeats do not arrive for a while: others get its partitions, and it goes on with them."""
        for member in [member for member in self._members if member.process is process]:
            self.leave(member)
            self.loop.soon(lambda member=member: self._come_back(member), seconds, process=process)

    def silence(self, process: Process) -> None:
        """A process sends no heartbeats: if that lasts, its partitions are given to others; then it comes back."""
        for member in [member for member in self._members if member.process is process]:
            self.loop.soon(lambda member=member: process.stopped and self.leave(member), _SESSION_S)
            self.loop.soon(lambda member=member: self._beat_again(member), process=process)

    def _beat_again(self, member: "MemoryIncoming") -> None:
        """The first heartbeat after the silence is a while away."""
        self.loop.soon(lambda: self._come_back(member), self.loop.chance.random() * 2, process=member.process)

    def _come_back(self, member: "MemoryIncoming") -> None:
        """Who was put out hears of it now."""
        if member not in self._members and not member.closed:
            member.revoke()
            self._members.append(member)
            self.rebalance()

    def rebalance(self) -> None:
        """Take all partitions back and deal them anew once everybody has heard of it, or is late."""
        self._round += 1
        number, chance = self._round, self.loop.chance
        self._joined = []
        for member in self._members:
            self.loop.soon(
                lambda member=member: self._rejoin(member, number), chance.random() * 0.1, process=member.process
            )
        self.loop.soon(lambda: self._deal(number, late=True), _REJOIN_LIMIT_S)

    def _rejoin(self, member: "MemoryIncoming", number: int) -> None:
        if number == self._round and member in self._members:
            member.revoke()
            self._joined.append(member)
            if len(self._joined) == len(self._members):
                self._deal(number)

    def _deal(self, number: int, *, late: bool = False) -> None:
        """To those that have joined; the others are out."""
        if number != self._round or (late and len(self._joined) == len(self._members)):
            return
        self._members = list(self._joined)
        places = self.topic.places()
        self.loop.chance.shuffle(places)
        members = self._members
        self.loop.chance.shuffle(members)
        for index, member in enumerate(members):
            dealt = frozenset(places[index :: len(members)])
            self.loop.soon(
                lambda member=member, dealt=dealt: number == self._round and member.assign(dealt),
                self.loop.chance.random() * 0.05,
                process=member.process,
            )


class MemoryIncoming:
    """See `protocols.IncomingLog`."""

    def __init__(self, group: Group, process: Process) -> None:
        """Use `Group.open`."""
        self.process = process
        self.closed = False
        self._group = group
        self._number = 0
        self._places: frozenset[Place] = frozenset()
        self._positions: dict[Place, int] = {}
        self._paused: frozenset[Place] = frozenset()
        self._ends: dict[Place, int] = {}

    def revoke(self) -> None:
        """Stop reading; who was slow to hear of it goes on believing in its partitions until it is dealt new ones."""
        self._number += 1
        if self._group.loop.chance.random() < 0.5:
            self._places = frozenset()

    def assign(self, places: frozenset[Place]) -> None:
        """Begin where the group last heard that somebody was."""
        self._number += 1
        self._places = places
        self._paused = frozenset()
        hints = self._group.hints
        self._positions = {place: hints[place] for place in sorted(places) if place in hints}

    def assignment(self) -> tuple[int, frozenset[Place]]:
        """See `IncomingLog.assignment`."""
        return self._number, self._places

    async def poll(self, max_records: int) -> dict[Place, list[Record]]:
        """See `IncomingLog.poll`."""
        self.process.check()
        loop, topic = self._group.loop, self._group.topic
        found = self._fetch(max_records)
        if not found:
            arrival: asyncio.Future[None] = loop.create_future()
            topic.waiting.append(arrival)
            limit = loop.call_later(_POLL_WAIT_S, _stop_waiting, arrival)
            await arrival
            limit.cancel()
            self.process.check()
            found = self._fetch(max_records)
        number = self._number
        if loop.chance.random() < 0.5:
            await loop.wait(loop.chance.random() * 0.02)
            self.process.check()
        if topic.away or (topic.trouble and loop.chance.random() < topic.trouble / 4):
            raise Unavailable("no broker answers")
        if number == self._number:
            for place, records in found.items():
                # Whoever sought meanwhile is read from there; what was fetched before is dropped.
                if self._positions.get(place) != records[0].offset:
                    return {}
            for place, records in found.items():
                self._positions[place] = records[-1].offset + 1
        return found

    def _fetch(self, max_records: int) -> dict[Place, list[Record]]:
        topic, found = self._group.topic, dict[Place, list[Record]]()
        if topic.away:
            return found
        for place in sorted(self._places - self._paused):
            position = self._positions.get(place)
            if position is None:
                continue
            partition = topic.partitions[place.partition]
            self._ends[place] = partition.end
            if not partition.first <= position <= partition.end:
                raise OffsetLost([place])
            limit = min(max_records, self._group.loop.chance.choice(_FETCHED_AT_ONCE))
            records = partition.records[position : position + limit]
            if records:
                found[place] = records
        return found

    def seek(self, place: Place, offset: int) -> None:
        """See `IncomingLog.seek`."""
        if place in self._places:
            self._positions[place] = offset

    def end_offset(self, place: Place) -> int:
        """See `IncomingLog.end_offset`."""
        return self._ends.get(place, 0)

    def pause(self, paused: bool) -> None:
        """See `IncomingLog.pause`."""
        self._paused = self._places if paused else frozenset()

    async def find_bounds(self, places: Collection[Place]) -> dict[Place, tuple[int, int]]:
        """See `IncomingLog.find_bounds`."""
        self.process.check()
        await self._group.loop.wait(0.001)
        if self._group.topic.away:
            raise Unavailable("no broker answers")
        partitions = {place: self._group.topic.partitions[place.partition] for place in places}
        return {place: (partition.first, partition.end) for place, partition in partitions.items()}

    async def hint(self, offsets: Mapping[Place, int]) -> None:
        """See `IncomingLog.hint`."""
        self.process.check()
        await self._group.loop.wait(0.001)
        if not self._group.topic.away and self in self._group._members:
            self._group.hints.update({place: offset for place, offset in offsets.items() if place in self._places})

    async def close(self) -> None:
        """See `IncomingLog.close`."""
        self.closed = True
        if self.process.alive:
            self._group.leave(self)


def _stop_waiting(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
