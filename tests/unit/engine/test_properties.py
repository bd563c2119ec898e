"""Random skill graphs and events: after each event the invariants hold, and engine and oracle decide the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.work.domain import FOREVER, MINUTE, AgentFacts, Decision, Policy, SkillNeed, WorkFacts
from routing.work.engine import Engine
from tests.unit.engine.build import agent, ticket
from tests.unit.engine.oracle import Oracle

POLICY = Policy()
SKILLS = ("a", "b", "c")
TEAMS = ("red", "blue")
AGENTS, TICKETS = range(1, 8), range(100, 116)
STEPS = (0, 1, MINUTE, 5 * MINUTE // 2, 15 * MINUTE, 30 * MINUTE + 1, 60 * MINUTE, 300 * MINUTE)

levels = st.integers(1, 5)
teams = st.frozensets(st.sampled_from(TEAMS))


@st.composite
def needs(draw: st.DrawFn) -> SkillNeed:
    return SkillNeed(skill=draw(st.sampled_from(SKILLS)), level=draw(levels), hard_level=draw(st.integers(0, 5)))


@dataclass(frozen=True, kw_only=True)
class AgentEvent:
    """An agent is seen for the first time, or comes back changed in everything but the load."""

    facts: AgentFacts

    @classmethod
    def strategy(cls) -> st.SearchStrategy["AgentEvent"]:
        return st.builds(
            agent,
            st.sampled_from(AGENTS),
            tier=st.integers(1, 3),
            skills=st.dictionaries(st.sampled_from(SKILLS), levels),
            capacity=st.integers(1, 6),
            idle_since=st.integers(-40, 0),
            present=st.sampled_from((True, True, True, False)),
            offers_left=st.integers(0, 2),
            teams=teams,
            languages=st.frozensets(st.sampled_from(("de", "en")), max_size=1),
        ).map(lambda facts: cls(facts=facts))


@dataclass(frozen=True, kw_only=True)
class TicketEvent:
    """A ticket is seen for the first time, or comes back changed. Times are minutes from now."""

    facts: WorkFacts
    excluded: dict[int, int]

    @classmethod
    def strategy(cls) -> st.SearchStrategy["TicketEvent"]:
        facts = st.builds(
            ticket,
            st.sampled_from(TICKETS),
            enqueued=st.sampled_from((0, 0, 0, -1, -14, -59, -70, -300)),
            tau=st.sampled_from((15, 60, 60, 240)),
            deadline=st.sampled_from((None, None, None, -10, 5, 30, 100)),
            priority=st.sampled_from(("low", "normal", "high", "urgent", "unheard-of")),
            weight=st.sampled_from((0.25, 1, 1, 2, 3, 7)),
            tier=st.sampled_from((1, 1, 2, 3)),
            needs=st.lists(needs(), max_size=2).map(tuple),
            language=st.sampled_from(("", "", "de")),
            teams=teams,
            overflow=teams,
            offered=st.sampled_from((False, False, True)),
            preferred=st.sampled_from((None, None, *AGENTS)),
            only_preferred=st.sampled_from((False, False, True)),
        ).map(lambda facts: facts if facts.preferred else msgspec.structs.replace(facts, only_preferred=False))
        ends = st.sampled_from((0, 10 * MINUTE, 15 * MINUTE, FOREVER))
        excluded = st.dictionaries(st.sampled_from(AGENTS), ends, max_size=2)
        return st.builds(cls, facts=facts, excluded=excluded)


@dataclass(frozen=True, kw_only=True)
class Leave:
    """An agent or a waiting ticket is forgotten, or an assignment ends."""

    what: str
    pick: int


@dataclass(frozen=True, kw_only=True)
class Undo:
    """The last batch cannot be committed."""


Event = AgentEvent | TicketEvent | Leave | Undo
events = st.one_of(
    AgentEvent.strategy(),
    TicketEvent.strategy(),
    TicketEvent.strategy(),
    st.builds(Leave, what=st.sampled_from(("agent", "ticket", "done", "done", "back")), pick=st.integers(0, 20)),
    st.just(Undo()),
)
moments = st.tuples(st.sampled_from(STEPS), st.lists(events, min_size=1, max_size=6))
crews = st.lists(AgentEvent.strategy(), min_size=2, max_size=7)

Moment = tuple[int, list[Event]]


@st.composite
def histories(draw: st.DrawFn) -> list[Moment]:
    """What happens in a day that begins with a few agents: each time how much later, and what."""
    first: Moment = (0, [*draw(crews)])
    return [first, *draw(st.lists(moments, min_size=1, max_size=12))]


@dataclass
class World:
    """What really holds: known agents, waiting tickets, open assignments. Tells any number of engines the same."""

    engines: Sequence[Engine | Oracle]
    agents: dict[UUID, AgentFacts] = field(default_factory=dict[UUID, AgentFacts])
    waiting: dict[UUID, WorkFacts] = field(default_factory=dict[UUID, WorkFacts])
    held: dict[UUID, Decision] = field(default_factory=dict[UUID, Decision])
    last: list[Decision] = field(default_factory=list[Decision])
    now: int = 0

    def tell(self, call: Callable[[Engine | Oracle], None]) -> None:
        for engine in self.engines:
            call(engine)

    def load(self, agent_id: UUID) -> int:
        return sum(d.work.weight_quarters for d in self.held.values() if d.agent_id == agent_id)

    def happen(self, event: Event) -> None:
        match event:
            case AgentEvent(facts=facts):
                self._put_agent(facts)
            case TicketEvent(facts=facts, excluded=excluded):
                if facts.work_id not in self.held:
                    ends = {UUID(int=i): min(FOREVER, self.now + end) for i, end in excluded.items()}
                    self._put_ticket(
                        msgspec.structs.replace(
                            facts,
                            enqueued_at=facts.enqueued_at + self.now,
                            deadline=facts.deadline + self.now,
                            excluded=ends,
                        )
                    )
            case Leave(what="agent", pick=pick) if self.agents:
                agent_id = sorted(self.agents)[pick % len(self.agents)]
                self.held = {i: d for i, d in self.held.items() if d.agent_id != agent_id}
                del self.agents[agent_id]
                self.tell(lambda engine: engine.remove_agent(agent_id))
            case Leave(what="ticket", pick=pick) if self.waiting:
                work_id = sorted(self.waiting)[pick % len(self.waiting)]
                del self.waiting[work_id]
                self.tell(lambda engine: engine.remove_work(work_id))
            case Leave(what="done" | "back", pick=pick) if self.held:
                decision = self.held.pop(sorted(self.held)[pick % len(self.held)])
                self._put_agent(self.agents[decision.agent_id])
                if event.what == "back":
                    # A hand-back keeps the enqueue time and shuts out the agent for a while.
                    excluded = {**decision.work.excluded, decision.agent_id: self.now + 10 * MINUTE}
                    self._put_ticket(msgspec.structs.replace(decision.work, excluded=excluded))
            case Undo() if all(self.held.get(d.work_id) is d for d in self.last):
                self.tell(lambda engine: engine.undo(self.last))
                for decision in reversed(self.last):
                    del self.held[decision.work_id]
                    self.waiting[decision.work_id] = decision.work
                    known = self.agents[decision.agent_id]
                    self.agents[decision.agent_id] = msgspec.structs.replace(
                        known,
                        idle_since=decision.agent_idle_since,
                        offers_left=known.offers_left + decision.work.offered,
                    )
                self.last = []
            case _:
                pass

    def decide(self) -> list[list[Decision]]:
        answers = [engine.decide(self.now) for engine in self.engines]
        self.last = answers[0]
        return answers

    def take(self, decision: Decision) -> None:
        del self.waiting[decision.work_id]
        self.held[decision.work_id] = decision
        known = self.agents[decision.agent_id]
        offers_left = known.offers_left - decision.work.offered
        self.agents[decision.agent_id] = msgspec.structs.replace(
            known, idle_since=self.now, offers_left=offers_left, load_quarters=self.load(decision.agent_id)
        )

    def may_take(self, facts: AgentFacts, work: WorkFacts) -> bool:
        """Eligibility in the plainest words, apart from both engines."""
        slack, wait = work.deadline - self.now, self.now - work.enqueued_at
        exact = slack >= 0 and 4 * wait < work.tau and 2 * slack > work.tau
        may_lack = 0 if exact else 1 if slack >= 0 else 5
        allowed_teams = work.teams if exact else work.teams | work.overflow_teams
        return (
            facts.present
            and facts.offers_left > 0
            and facts.tier >= work.tier_required
            and all(facts.skills.get(n.skill, 0) >= max(n.hard_level, n.level - may_lack) for n in work.needs)
            and (not work.language or not facts.languages or work.language in facts.languages)
            and (not work.teams or not allowed_teams.isdisjoint(facts.teams))
            and work.excluded.get(facts.agent_id, 0) <= self.now
            and (not work.only_preferred or facts.agent_id == work.preferred)
            and self.load(facts.agent_id) + work.weight_quarters <= facts.capacity_quarters
        )

    def _put_agent(self, facts: AgentFacts) -> None:
        facts = msgspec.structs.replace(facts, load_quarters=self.load(facts.agent_id))
        self.agents[facts.agent_id] = facts
        self.tell(lambda engine: engine.put_agent(facts, self.now))

    def _put_ticket(self, facts: WorkFacts) -> None:
        self.waiting[facts.work_id] = facts
        self.tell(lambda engine: engine.put_work(facts, self.now))


def check_decisions(world: World, decisions: list[Decision]) -> None:
    """I1, I2, I3 and I6, and that no dearer tier takes what a cheaper one could."""
    for decision in decisions:
        work = world.waiting[decision.work_id]
        assert decision.work == work
        could = [facts for facts in world.agents.values() if world.may_take(facts, work)]
        assert decision.agent_id in {facts.agent_id for facts in could}
        if work.preferred in {facts.agent_id for facts in could}:
            assert decision.agent_id == work.preferred
        else:
            assert world.agents[decision.agent_id].tier == min(facts.tier for facts in could)
        assert decision.funnel.unreserved == len(could)
        world.take(decision)
        assert world.load(decision.agent_id) <= world.agents[decision.agent_id].capacity_quarters


def check_rest(world: World, engine: Engine, oracle: Oracle) -> None:
    """I1, I4 and I10, and what the engine says of those that wait."""
    assert {facts.agent_id: facts.load_quarters for facts in oracle.agents} == {i: world.load(i) for i in world.agents}
    assert {work.work_id for work in oracle.works} == set(world.waiting)
    for work in world.waiting.values():
        assert not any(world.may_take(facts, work) for facts in world.agents.values())
        waiting = engine.explain(work.work_id, world.now)
        assert msgspec.structs.replace(waiting, next_ring_at=None) == oracle.explain(work.work_id, world.now)
        assert engine.unroutable(work.work_id) == oracle.unroutable(work.work_id)
        if waiting.next_ring_at is not None:
            assert oracle.standing(work, waiting.next_ring_at - 1)[0] == waiting.ring
            assert oracle.standing(work, waiting.next_ring_at)[0] > waiting.ring
    timer = engine.next_timer(world.now)
    if timer is not None:
        standing = [oracle.standing(work, world.now) for work in oracle.works]
        assert timer > world.now
        assert standing == [oracle.standing(work, timer - 1) for work in oracle.works]
        assert standing != [oracle.standing(work, timer) for work in oracle.works]


@settings(max_examples=80)
@given(histories())
def test_the_engine_decides_as_the_oracle_and_keeps_the_invariants(history: list[Moment]) -> None:
    engine, oracle = Engine(POLICY), Oracle(POLICY)
    world = World(engines=(engine, oracle))
    unroutable: set[UUID] = set()
    for step, happened in history:
        world.now += step
        for event in happened:
            world.happen(event)
            unroutable &= set(world.waiting)
        rings = {work.work_id: oracle.standing(work, oracle.looked_at(work, world.now))[0] for work in oracle.works}
        decisions, expected = world.decide()
        assert decisions == expected
        check_decisions(world, decisions)
        check_rest(world, engine, oracle)
        later = {i: oracle.standing(work, world.now)[0] for i, work in world.waiting.items()}
        assert dict(engine.relaxed()) == {i: ring for i, ring in later.items() if ring > rings[i]}
        changes = engine.unroutable_changes()
        unroutable &= set(world.waiting)
        unroutable -= {i for i, missing in changes if not missing}
        unroutable |= {i for i, missing in changes if missing}
        assert unroutable == {i for i in world.waiting if oracle.unroutable(i)}


@settings(max_examples=30)
@given(histories())
def test_equal_calls_give_equal_decisions_and_equal_states(history: list[Moment]) -> None:
    first, second = Engine(POLICY), Engine(POLICY)
    world = World(engines=(first, second))
    for step, happened in history:
        world.now += step
        for event in happened:
            world.happen(event)
        decisions, again = world.decide()
        assert decisions == again
        assert first.fingerprint() == second.fingerprint()
        for decision in decisions:
            world.take(decision)


@settings(max_examples=30)
@given(histories(), TicketEvent.strategy())
def test_a_preview_is_what_would_happen_and_changes_nothing(history: list[Moment], arriving: TicketEvent) -> None:
    engine = Engine(POLICY)
    world = World(engines=(engine,))
    for step, happened in history:
        world.now += step
        for event in happened:
            world.happen(event)
        for decision in world.decide()[0]:
            world.take(decision)
    work = msgspec.structs.replace(
        arriving.facts,
        work_id=UUID(int=999),
        enqueued_at=arriving.facts.enqueued_at + world.now,
        deadline=arriving.facts.deadline + world.now,
    )
    before = engine.fingerprint()
    preview = engine.preview(work, world.now)
    assert engine.fingerprint() == before
    engine.put_work(work, world.now)
    assert engine.decide(world.now) == ([preview] if preview else [])
