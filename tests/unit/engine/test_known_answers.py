"""Situations whose right answer is known; their numbers are those of the list of known answers in routing's design."""

from collections.abc import Iterable
from uuid import UUID

import msgspec
import pytest

from routing.work.domain import FOREVER, GUARD_TURN, AgentFacts, Decision, Policy, WorkFacts
from routing.work.engine import Engine
from tests.unit.engine.build import agent, at, need, number, ticket

POLICY = Policy()


def engine_with(agents: Iterable[AgentFacts], policy: Policy = POLICY) -> Engine:
    engine = Engine(policy)
    for each in agents:
        engine.put_agent(each, 0)
    engine.decide(0)
    return engine


def arrive(engine: Engine, work: WorkFacts, minute: float) -> int | None:
    """The agent that takes an arriving ticket at once; None if it waits."""
    engine.put_work(work, at(minute))
    decisions = engine.decide(at(minute))
    return number(decisions[0].agent_id) if decisions else None


def free(engine: Engine, facts: AgentFacts, minute: float) -> list[Decision]:
    """What an agent takes who has finished everything."""
    engine.put_agent(msgspec.structs.replace(facts, load_quarters=0), at(minute))
    return engine.decide(at(minute))


def test_t1_the_cheapest_qualified_tier_takes_the_ticket() -> None:
    entry, mid, senior = (agent(i, tier=i, skills={"net": 2 + i}) for i in (1, 2, 3))
    engine = engine_with([senior, mid, entry])

    assert [arrive(engine, ticket(10 + i), 0) for i in range(4)] == [1, 2, 3, None]


def test_t1_all_at_once_gives_the_same() -> None:
    engine = Engine(POLICY)
    for i in (3, 2, 1):
        engine.put_agent(agent(i, tier=i, skills={"net": 2 + i}), 0)
    for i in range(4):
        engine.put_work(ticket(10 + i), 0)

    assert [(number(d.work_id), number(d.agent_id)) for d in engine.decide(0)] == [(10, 1), (11, 2), (12, 3)]


def test_t2_the_specialist_is_kept_for_what_only_he_can_do() -> None:
    both = agent(1, skills={"x": 3, "y": 3}, idle_since=-50)
    single = agent(2, skills={"x": 3}, idle_since=-1)
    engine = engine_with([both, single])

    assert arrive(engine, ticket(10, needs=(need("x"),)), 0) == 2
    assert arrive(engine, ticket(11, needs=(need("y"),)), 1) == 1


def test_t3_a_hard_skill_that_nobody_has_is_unroutable_at_once_and_never_assigned() -> None:
    engine = engine_with([agent(1)])
    work = ticket(10, needs=(need(level=4, hard=4),))

    assert arrive(engine, work, 0) is None
    assert engine.unroutable_changes() == [(work.work_id, ("skill net at level 4",))]
    assert engine.unroutable(work.work_id) == ("skill net at level 4",)
    assert all(not engine.decide(at(minute)) for minute in (14, 16, 59, 61, 10_000))


def test_t4_bands_come_in_order_and_the_fourth_pull_is_the_late_ones_turn() -> None:
    only = agent(1, load=1)
    engine = engine_with([only])
    engine.put_work(ticket(1, priority="high", tau=60, enqueued=-70), 0)
    engine.put_work(ticket(2, priority="high", tau=60, enqueued=-57), 0)
    engine.put_work(ticket(3, priority="urgent", tau=15, enqueued=0), 0)
    engine.put_work(ticket(4, priority="low", tau=480, enqueued=-200), 0)

    taken = [decision for minute in range(4) for decision in free(engine, only, minute)]

    assert [number(decision.work_id) for decision in taken] == [2, 3, 4, 1]
    assert taken[-1].band == GUARD_TURN


def test_t5_a_late_ticket_gets_every_fourth_pull() -> None:
    only = agent(1, load=1)
    engine = engine_with([only])
    engine.put_work(ticket(99, tau=240, enqueued=-300), 0)
    for i in range(10):
        engine.put_work(ticket(i, tau=240, enqueued=i - 100), 0)

    taken = [number(decision.work_id) for minute in range(6) for decision in free(engine, only, minute)]

    assert taken == [0, 1, 2, 99, 3, 4]


@pytest.mark.parametrize(("packing", "answer"), [("fit", [2, 1]), ("spread", [1, None])])
def test_t7_best_fit_keeps_room_for_a_heavy_ticket(packing: str, answer: list[int | None]) -> None:
    policy = msgspec.convert({"packing": packing}, Policy)
    engine = engine_with([agent(1, capacity=4, load=1), agent(2, capacity=4, load=3)], policy)

    assert [arrive(engine, ticket(10, weight=1), 0), arrive(engine, ticket(11, weight=3), 0)] == answer


def test_t9_the_second_ring_opens_after_a_quarter_of_the_target_and_not_before() -> None:
    engine = engine_with([agent(1)])

    assert arrive(engine, ticket(10, needs=(need(level=4, hard=2),), tau=60), 0) is None
    assert engine.next_timer(0) == at(15)
    assert engine.decide(at(14.99)) == []
    assert engine.decide(at(15) - 1) == []
    (decision,) = engine.decide(at(15))
    assert (decision.ring, decision.cause) == (2, "arrival")


def test_the_third_ring_opens_when_the_ticket_is_late() -> None:
    engine = engine_with([agent(1)])

    assert arrive(engine, ticket(10, needs=(need(level=5, hard=2),), tau=60), 0) is None
    assert engine.decide(at(15)) == engine.decide(at(60)) == []
    assert [decision.ring for decision in engine.decide(at(60) + 1)] == [3]


def test_the_second_ring_opens_early_when_half_of_the_target_is_all_that_is_left() -> None:
    engine = engine_with([agent(1)])

    assert arrive(engine, ticket(10, needs=(need(level=4),), tau=60, deadline=35), 0) is None
    assert engine.decide(at(5) - 1) == []
    assert [decision.ring for decision in engine.decide(at(5))] == [2]


def test_overflow_teams_may_help_in_the_second_ring() -> None:
    engine = engine_with([agent(1, teams=frozenset({"other"}))])
    work = ticket(10, teams=frozenset({"desk"}), overflow=frozenset({"other"}))

    assert arrive(engine, work, 0) is None
    assert engine.unroutable(work.work_id) is None
    assert len(engine.decide(at(15))) == 1


def test_t16_a_morning_fills_everyone_in_the_order_of_the_bands() -> None:
    engine = Engine(POLICY)
    # Of a target of 480 minutes, one third is over, one third critical, one third comfortable, all mixed.
    waits = {i: (500 + i % 7, 300 + i % 100, i % 200)[i % 3] for i in range(1000)}
    for i, wait in waits.items():
        engine.put_work(ticket(i + 100, tau=480, enqueued=-wait), 0)
    engine.decide(0)

    engine.put_agent(agent(1, capacity=5), at(0))
    first = engine.decide(at(0))
    for i in range(2, 11):
        engine.put_agent(agent(i, capacity=5), at(1))
    second = engine.decide(at(1))

    assert (len(first), len(second)) == (5, 45)
    loads = [sum(number(d.agent_id) == i for d in (*first, *second)) for i in range(1, 11)]
    assert loads == [5] * 10
    critical = sorted((i for i, wait in waits.items() if 240 <= wait <= 480), key=lambda i: (-waits[i], i))
    late = sorted((i for i, wait in waits.items() if wait > 480), key=lambda i: (-waits[i], i))
    expected = [late.pop(0) if pull % 4 == 0 else critical.pop(0) for pull in range(1, 51)]
    assert [number(d.work_id) - 100 for d in (*first, *second)] == expected


def test_t30_ties_go_to_the_longer_idle_then_to_the_lower_id() -> None:
    engine = engine_with([agent(1, idle_since=-5), agent(2, idle_since=-9)])
    assert arrive(engine, ticket(10), 60) == 2

    engine = engine_with([agent(2), agent(1)])
    assert arrive(engine, ticket(10), 0) == 1


def test_t30_equal_tickets_go_by_enqueue_time_then_id() -> None:
    only = agent(1, load=1)
    engine = engine_with([only])
    for identifier, enqueued in ((12, 0), (11, 0), (13, -1)):
        engine.put_work(ticket(identifier, enqueued=enqueued), 0)

    taken = [number(d.work_id) for _ in range(3) for d in free(engine, only, 1)]

    assert taken == [13, 11, 12]


def test_a_starved_ticket_goes_first() -> None:
    only = agent(1, load=1)
    engine = engine_with([only])
    engine.put_work(ticket(1, tau=60, enqueued=-241), 0)
    engine.put_work(ticket(2, tau=60, enqueued=-59), 0)

    assert [number(d.work_id) for d in free(engine, only, 0)] == [1]


def test_an_excluded_agent_may_take_the_ticket_when_the_exclusion_ends() -> None:
    engine = engine_with([agent(1)])

    assert arrive(engine, ticket(10, tau=600, excluded={UUID(int=1): at(10)}), 0) is None
    assert engine.next_timer(0) == at(10)
    assert engine.decide(at(10) - 1) == []
    assert len(engine.decide(at(10))) == 1


def test_an_offer_reserves_the_agent_until_it_is_answered() -> None:
    first = agent(1, capacity=10)
    engine = engine_with([first])

    assert arrive(engine, ticket(10, offered=True), 0) == 1
    assert arrive(engine, ticket(11), 0) is None
    engine.put_agent(msgspec.structs.replace(first, load_quarters=4), 0)
    assert [number(d.work_id) for d in engine.decide(0)] == [11]


def test_a_late_ticket_still_needs_its_hard_level_tier_language_and_team() -> None:
    everything = agent(1, tier=2, skills={"net": 3}, languages=frozenset({"de"}), teams=frozenset({"desk"}))
    lacking = [
        msgspec.structs.replace(everything, tier=1),
        msgspec.structs.replace(everything, skills={"net": 2}),
        msgspec.structs.replace(everything, languages=frozenset({"en"})),
        msgspec.structs.replace(everything, teams=frozenset({"other"})),
    ]
    work = ticket(10, tier=2, needs=(need(level=5, hard=3),), language="de", teams=frozenset({"desk"}))

    assert [arrive(engine_with([each]), work, 1000) for each in (*lacking, everything)] == [None] * 4 + [1]


def test_an_override_load_takes_nothing_new() -> None:
    engine = engine_with([agent(1, capacity=2, load=3)])

    assert arrive(engine, ticket(10), 0) is None


def test_the_preferred_agent_is_asked_first_whatever_the_tier() -> None:
    engine = engine_with([agent(1, capacity=3, skills={"net": 5}), agent(2, tier=3, idle_since=9), agent(3, tier=2)])

    engine.put_work(ticket(10, preferred=2), at(0))
    (decision,) = engine.decide(at(0))

    assert (number(decision.agent_id), decision.cost.preference) == (2, 0)
    assert decision.runner_up == UUID(int=1)
    assert decision.margin is not None
    assert decision.margin > 0


def test_the_preferred_agent_is_passed_over_who_cannot_take_it() -> None:
    others = [agent(1), agent(3, tier=2)]
    cannot = (agent(2, present=False), agent(2, load=1), agent(2, skills={}), agent(2, offers_left=0))

    for preferred in cannot:
        assert arrive(engine_with([preferred, *others]), ticket(10, preferred=2), 0) == 1
    excluded = ticket(10, preferred=2, excluded={UUID(int=2): at(10)})
    assert arrive(engine_with([agent(2), *others]), excluded, 0) == 1
    assert arrive(engine_with(others), ticket(10, preferred=2), 0) == 1


def test_a_freed_agent_pulls_what_prefers_another_one_who_is_full() -> None:
    full, freed = agent(1, load=1), agent(2, load=1)
    engine = engine_with([full, freed])
    arrive(engine, ticket(10, preferred=1), 0)

    (decision,) = free(engine, freed, 1)

    assert (number(decision.agent_id), decision.cost.preference) == (2, 3_000_000)


def test_only_the_preferred_agent_is_asked_where_that_is_said() -> None:
    engine = engine_with([agent(1), agent(2, load=1)])
    work = ticket(10, preferred=2, only_preferred=True)

    assert arrive(engine, work, 0) is None
    assert engine.unroutable(work.work_id) is None
    funnel = engine.explain(work.work_id, at(1)).funnel
    assert (funnel.team, funnel.not_excluded, funnel.capacity) == (2, 1, 0)
    assert [number(d.agent_id) for d in free(engine, agent(2, load=1), 1)] == [2]


def test_who_is_excluded_for_ever_does_not_count_among_those_who_could_ever_take_it() -> None:
    engine = engine_with([agent(1), agent(2, present=False)])
    declined = ticket(10, excluded={UUID(int=1): FOREVER})
    assert arrive(engine, declined, 0) is None
    assert engine.unroutable_changes() == []
    both = ticket(10, excluded={UUID(int=1): FOREVER, UUID(int=2): FOREVER})
    assert arrive(engine, both, 1) is None
    assert engine.unroutable_changes() == [(both.work_id, ("an agent who is not excluded",))]

    engine.put_agent(agent(3, present=False), at(2))
    engine.decide(at(2))

    assert engine.unroutable_changes() == [(both.work_id, ())]


def test_the_only_agent_who_leaves_makes_it_unroutable_at_once() -> None:
    engine = engine_with([agent(1), agent(2, present=False)])
    work = ticket(10, preferred=2, only_preferred=True)
    arrive(engine, work, 0)

    engine.remove_agent(UUID(int=2))
    engine.decide(at(1))

    assert engine.unroutable_changes() == [(work.work_id, (f"agent {UUID(int=2)}",))]
