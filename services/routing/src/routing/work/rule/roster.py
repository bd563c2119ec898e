"""Agents as the engine holds them: by profile, and inside a profile by capacity and free capacity."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush

from routing.work.domain import AgentFacts

STALE_ENTRIES = 32
"""Stale entries that a heap may hold beside as many as it has live ones."""

Atom = tuple[str, str, int]
"""One thing an agent can have: ("tier", "", at least), ("skill", name, at least), ("language" or "team", name, 0)."""

ProfileKey = tuple[int, frozenset[tuple[str, int]], frozenset[str], frozenset[str]]


class Agent:
    """A known agent. `pool` is None unless the agent is present, may take something new and has capacity free."""

    __slots__ = ("capacity", "facts", "idle_since", "load", "number", "offers_left", "pool", "profile", "stamp")

    def __init__(self, number: int) -> None:
        self.number = number
        self.pool: Pool | None = None
        self.stamp = 0

    @property
    def free(self) -> int:
        """Quarters of capacity that are not taken; negative after an override."""
        return self.capacity - self.load

    def learn(self, facts: AgentFacts, profile: "Profile") -> None:
        """Take over what the caller knows."""
        self.facts = facts
        self.profile = profile
        self.capacity = facts.capacity_quarters
        self.load = facts.load_quarters
        self.offers_left = facts.offers_left
        self.idle_since = facts.idle_since


PoolEntry = tuple[int, int, int, Agent]
"""(idle since, agent number, stamp, agent): the stamp tells whether the entry is live."""


class Pool:
    """Agents of one profile with equal capacity and equal free capacity, longest idle first. The first is live."""

    __slots__ = ("capacity", "count", "entries", "free")

    def __init__(self, *, free: int, capacity: int) -> None:
        self.free = free
        self.capacity = capacity
        self.entries: list[PoolEntry] = []
        self.count = 0

    def add(self, agent: Agent, stamp: int) -> None:
        """Put an agent into the pool. `stamp` was never used before."""
        agent.stamp = stamp
        agent.pool = self
        self.count += 1
        heappush(self.entries, (agent.idle_since, agent.number, stamp, agent))

    def remove(self, agent: Agent) -> None:
        """Take an agent out."""
        agent.stamp = 0
        agent.pool = None
        self.count -= 1
        entries = self.entries
        while entries and entries[0][2] != entries[0][3].stamp:
            heappop(entries)
        if len(entries) > 2 * self.count + STALE_ENTRIES:
            entries[:] = [entry for entry in entries if entry[2] == entry[3].stamp]
            heapify(entries)

    def first_two(self, excluded: AbstractSet[int]) -> list[Agent]:
        """The two longest idle agents that are not excluded; fewer if there are fewer."""
        entries = self.entries
        if not excluded:
            # The second of a heap is one of the two entries below its first, if both are live.
            if len(entries) == 1:
                return [entries[0][3]]
            second = min(entries[1:3])
            if all(entry[2] == entry[3].stamp for entry in entries[1:3]):
                return [entries[0][3], second[3]]
        passed: list[PoolEntry] = []
        found: list[Agent] = []
        while entries and len(found) < 2:
            entry = heappop(entries)
            if entry[2] == entry[3].stamp:
                passed.append(entry)
                if entry[1] not in excluded:
                    found.append(entry[3])
        for entry in passed:
            heappush(entries, entry)
        return found


class Profile:
    """What agents have in common who may take the same tickets: tier, skills, teams, languages."""

    def __init__(self, key: ProfileKey, index: int) -> None:
        self.key = key
        self.index = index
        self.tier, skills, self.teams, self.languages = key
        self.skills = dict(skills)
        self.known = 0
        self.present = 0
        self.pools: dict[tuple[int, int], Pool] = {}
        """By (free, capacity); some are empty."""
        self.pool_keys: list[tuple[int, int]] = []
        """(free, capacity) of the pools that are not empty, in order."""
        self.most_free = 0
        self.reserved: dict[int, int] = {}
        """Free capacity -> how many present agents with so much wait for answers to offers."""
        self.capacities: dict[int, int] = {}
        """Capacity -> how many known agents have it."""

    def has(self, atom: Atom) -> bool:
        """Whether agents of this profile have the thing."""
        kind, name, least = atom
        if kind == "tier":
            return self.tier >= least
        if kind == "skill":
            return self.skills.get(name, 0) >= least
        return not self.languages or name in self.languages if kind == "language" else name in self.teams

    def pools_with(self, weight: int) -> Iterator[Pool]:
        """Non-empty pools whose agents have so much free, least free first."""
        keys, pools = self.pool_keys, self.pools
        for position in range(bisect_left(keys, (weight, 0)), len(keys)):
            yield pools[keys[position]]

    def count_with(self, weight: int) -> int:
        """How many agents that may take something new have so much free."""
        return sum(pool.count for pool in self.pools_with(weight))

    def count_reserved_with(self, weight: int) -> int:
        """How many present agents have so much free but must answer an offer first."""
        return sum(count for free, count in self.reserved.items() if free >= weight)


class Roster:
    """All known agents. Sets of profiles are ints: bit i stands for the profile with index i."""

    def __init__(self) -> None:
        self.agents: dict[int, Agent] = {}
        self.profiles: dict[ProfileKey, Profile] = {}
        self.by_index: list[Profile | None] = []
        self.headcount_version = 0
        """Changes whenever the number of known or present agents of any profile does."""
        self.reach_version = 0
        """Changes whenever what some known agent could take changes."""
        self.most_skills = 1
        self._atoms: dict[Atom, int] = {}
        self._all = 0
        self._room: dict[int, int] = {}
        self._reserved = 0
        self._present: dict[int, int] = {}
        """Sets of profiles -> how many of their agents are present, as of `_present_version` of the headcount."""
        self._present_version = 0
        self._stamp = 0

    def find_profile(self, facts: AgentFacts) -> Profile | None:
        """The profile that fits the facts, if an agent of it is known."""
        return self.profiles.get(_profile_key(facts))

    def add_profile(self, facts: AgentFacts) -> Profile:
        """Make the profile that fits the facts."""
        if None not in self.by_index:
            self.by_index.append(None)
        index = self.by_index.index(None)
        profile = Profile(_profile_key(facts), index)
        self.by_index[index] = self.profiles[profile.key] = profile
        self._all |= 1 << index
        for atom, having in self._atoms.items():
            if profile.has(atom):
                self._atoms[atom] = having | 1 << index
        self.most_skills = max(self.most_skills, len(profile.skills))
        return profile

    def drop_profile(self, profile: Profile) -> None:
        """Forget a profile that no agent has any more."""
        keep = ~(1 << profile.index)
        self.by_index[profile.index] = None
        del self.profiles[profile.key]
        self._all &= keep
        self._atoms = {atom: having & keep for atom, having in self._atoms.items()}
        self.most_skills = max((len(each.skills) for each in self.profiles.values()), default=1) or 1

    def having(self, atom: Atom) -> int:
        """The set of profiles that have the thing."""
        having = self._atoms.get(atom)
        if having is None:
            having = self._atoms[atom] = sum(1 << p.index for p in self.profiles.values() if p.has(atom))
        return having

    @property
    def all_profiles(self) -> int:
        """The set of all profiles."""
        return self._all

    def with_room(self, weight: int) -> int:
        """The set of profiles with an agent that may take something new and has so much free."""
        room = self._room.get(weight)
        if room is None:
            room = self._room[weight] = sum(1 << p.index for p in self.profiles.values() if p.most_free >= weight)
        return room

    @property
    def with_reserved(self) -> int:
        """The set of profiles with an agent that must answer an offer first."""
        return self._reserved

    def members(self, profiles: int) -> Iterator[Profile]:
        """The profiles of a set, by index."""
        while profiles:
            lowest = profiles & -profiles
            profile = self.by_index[lowest.bit_length() - 1]
            assert profile is not None
            yield profile
            profiles ^= lowest

    def count_present(self, profiles: int) -> int:
        """How many agents of a set of profiles are present. Many views ask for the same sets."""
        if self._present_version != self.headcount_version:
            self._present_version = self.headcount_version
            self._present.clear()
        count = self._present.get(profiles)
        if count is None:
            count = self._present[profiles] = sum(profile.present for profile in self.members(profiles))
        return count

    def enlist(self, agent: Agent) -> None:
        """Count an agent that has just learnt its facts and has no seat."""
        profile = agent.profile
        self.agents[agent.number] = agent
        profile.known += 1
        profile.present += agent.facts.present
        known = profile.capacities.get(agent.capacity, 0)
        profile.capacities[agent.capacity] = known + 1
        self.reach_version += not known
        self.headcount_version += 1

    def dismiss(self, agent: Agent) -> None:
        """Undo `enlist`, for an agent that has no seat."""
        profile = agent.profile
        del self.agents[agent.number]
        profile.known -= 1
        profile.present -= agent.facts.present
        profile.capacities[agent.capacity] -= 1
        if not profile.capacities[agent.capacity]:
            del profile.capacities[agent.capacity]
            self.reach_version += 1
        self.headcount_version += 1

    def seat(self, agent: Agent) -> None:
        """Put an agent where its free capacity is found, if it is present and has any."""
        free = agent.capacity - agent.load
        if free <= 0 or not agent.facts.present:
            return
        profile = agent.profile
        if agent.offers_left <= 0:
            profile.reserved[free] = profile.reserved.get(free, 0) + 1
            self._reserved |= 1 << profile.index
            return
        key = (free, agent.capacity)
        pool = profile.pools.get(key)
        if pool is None:
            pool = profile.pools[key] = Pool(free=free, capacity=agent.capacity)
        self._stamp += 1
        pool.add(agent, self._stamp)
        if pool.count == 1:
            insort(profile.pool_keys, key)
            if free > profile.most_free:
                self._note_most_free(profile)

    def unseat(self, agent: Agent) -> None:
        """Undo `seat`; to be called before load, offers, presence or idle time change."""
        pool = agent.pool
        if pool is not None:
            pool.remove(agent)
            if not pool.count:
                profile, key = agent.profile, (pool.free, pool.capacity)
                del profile.pool_keys[bisect_left(profile.pool_keys, key)]
                if pool.free == profile.most_free:
                    self._note_most_free(profile)
        elif agent.offers_left <= 0 and agent.free > 0 and agent.facts.present:
            reserved = agent.profile.reserved
            reserved[agent.free] -= 1
            if not reserved[agent.free]:
                del reserved[agent.free]
            if not reserved:
                self._reserved &= ~(1 << agent.profile.index)

    def _note_most_free(self, profile: Profile) -> None:
        before = profile.most_free
        most = profile.most_free = profile.pool_keys[-1][0] if profile.pool_keys else 0
        bit = 1 << profile.index
        for weight, room in self._room.items():
            if (most >= weight) != (before >= weight):
                self._room[weight] = room ^ bit


def _profile_key(facts: AgentFacts) -> ProfileKey:
    return facts.tier, frozenset(facts.skills.items()), facts.teams, facts.languages
