"""The run as a state machine, case by case."""

from datetime import timedelta

import pytest

from common.ids import new_id
from contracts.escalation import EscalationStepFired
from escalation.escalations.domain import (
    RaisePending,
    Run,
    RunOver,
    RunState,
    Trigger,
    acknowledge,
    hear_owner,
    hurry,
    mark,
    raised_tier,
    stop,
    stop_by_hand,
)
from escalation.escalations.policy import Action, Step, StepClock
from escalation.escalations.stepping import Look, advance
from tests.unit.escalations.build import START, look, moment, names, notify, run_of, version_of


def test_steps_are_taken_when_they_are_due_and_in_their_order() -> None:
    version = version_of(notify(), notify(10), notify(20))
    first = look(run_of(), version, 0)
    assert [fired.number for fired in first.fired] == [1]
    assert first.run.due_at == moment(10)
    late = look(first.run, version, 25)
    assert [fired.number for fired in late.fired] == [2, 3]
    assert names(late) == ["step_fired", "step_fired"]


def test_whoever_was_told_last_has_time_to_take_notice_before_it_is_exhausted() -> None:
    version = version_of(notify(), rounds=0, repeat_after_s=600)
    told = look(run_of(), version, 0).run
    assert (told.state, told.due_at) == (RunState.RUNNING, moment(10))
    acked, _ = acknowledge(told, by="agent:x", at=moment(9), until=moment(69))
    assert names(look(acked, version, 10)) == []
    assert names(look(acked, version, 69)) == ["ack_expired", "exhausted"]
    late = look(told, version, 10)
    assert (late.run.state, names(late)) == (RunState.EXHAUSTED, ["exhausted"])
    # Who wants the next step although none is left learns that at once.
    assert names(look(hurry(told, at=moment(1)), version, 1)) == ["exhausted"]


def test_a_look_before_the_time_takes_nothing() -> None:
    version = version_of(notify(10))
    early = look(run_of(), version, 9)
    assert (list(early.fired), list(early.told), early.run.due_at) == ([], [], moment(10))
    assert early.run.generation == 2


def test_a_percent_is_waited_for_and_the_delay_counts_from_it() -> None:
    version = version_of(notify(when="sla_pct>=75"), notify(15, when="sla_pct>=90"))
    run = look(run_of(marks={75: START}), version, 0).run
    assert (run.next_step, run.due_at) == (2, None)
    run = mark(run, 90, at=moment(30))
    assert run.due_at == moment(30)
    waiting = look(run, version, 30)
    assert (list(waiting.fired), waiting.run.due_at) == ([], moment(45))
    assert [fired.number for fired in look(waiting.run, version, 45).fired] == [2]


def test_a_higher_percent_is_also_the_lower_ones_and_a_known_one_changes_nothing() -> None:
    version = version_of(notify(when="sla_pct>=75"), notify(when="sla_pct>=100"))
    run = mark(run_of(marks={100: START}), 100, at=moment(5))
    assert run == run_of(marks={100: START})
    assert [fired.number for fired in look(run, version, 0).fired] == [1, 2]


@pytest.mark.parametrize("over", ["resolved", "cancelled", "closed", "merged"])
def test_a_ticket_that_is_over_stops_it_before_any_step(over: str) -> None:
    stopped = look(run_of(), version_of(notify()), 0, over=over)
    assert (list(stopped.fired), names(stopped)) == ([], ["stopped"])
    assert (stopped.run.state, stopped.run.end_reason, stopped.run.due_at) == (RunState.STOPPED, over, None)


def test_a_satisfied_clock_stops_it_and_help_completes_it() -> None:
    version = version_of(notify())
    met = look(run_of(), version, 0, is_clock_done=True)
    assert (met.run.state, met.run.end_reason, list(met.fired)) == (RunState.STOPPED, "met", [])
    served = look(run_of(trigger=Trigger.HANDOFF), version, 0, is_served=True)
    assert (served.run.state, names(served), list(served.fired)) == (RunState.COMPLETED, ["completed"], [])


def test_acknowledging_rests_the_steps_until_its_time_out() -> None:
    version = version_of(notify(), notify(10))
    run = look(run_of(), version, 0).run
    acked, told = acknowledge(run, by="agent:x", at=moment(5), until=moment(65))
    assert (acked.state, acked.due_at, acked.version, told[0].by) == (
        RunState.ACKNOWLEDGED, moment(65), run.version + 1, "agent:x"
    )  # fmt: skip
    early = look(acked, version, 30)
    assert (list(early.fired), early.run.due_at, early.run.state) == ([], moment(65), RunState.ACKNOWLEDGED)
    late = look(early.run, version, 65)
    assert names(late) == ["ack_expired", "step_fired"]


def test_rounds_are_repeated_after_a_pause() -> None:
    version = version_of(notify(), notify(5), rounds=2, repeat_after_s=600)
    run = look(run_of(), version, 0).run
    run = look(run, version, 5).run
    assert (run.state, run.due_at) == (RunState.RUNNING, moment(15))
    second = look(run, version, 15)
    assert names(second) == ["round_repeated", "step_fired"]
    assert (second.run.round, second.run.due_at) == (2, moment(20))
    third = look(look(second.run, version, 20).run, version, 30)
    last = look(third.run, version, 35)
    assert (names(last), last.run.due_at) == (["step_fired"], moment(45))
    ended = look(last.run, version, 45)
    assert (names(ended), ended.run.state) == (["exhausted"], RunState.EXHAUSTED)


def test_nobody_there_holds_it_is_told_once_and_somebody_who_comes_is_told() -> None:
    version = version_of(notify(), notify(60))
    held = look(run_of(), version, 0, unreachable={1})
    assert (names(held), held.run.state, held.run.due_at) == (["held"], RunState.HELD, moment(1))
    still = look(held.run, version, 1, unreachable={1})
    assert (names(still), still.run.state) == ([], RunState.HELD)
    there = look(still.run, version, 2)
    assert (names(there), there.run.state, there.run.owed) == (["step_fired"], RunState.RUNNING, ())
    assert there.run.due_at == moment(60)


def test_a_step_that_nobody_could_hear_holds_up_no_other_and_is_made_up_for() -> None:
    version = version_of(notify(), Step(after_s=0, action=Action.RAISE_PRIORITY), notify(9))
    held = look(run_of(), version, 0, unreachable={1})
    assert ([fired.number for fired in held.fired], names(held)) == ([2], ["held", "step_fired"])
    assert (held.run.state, held.run.owed, held.run.due_at) == (RunState.HELD, (1,), moment(1))
    late = look(held.run, version, 9, unreachable={1})
    assert ([fired.number for fired in late.fired], late.run.state, late.run.due_at) == ([3], RunState.HELD, moment(10))
    heard = look(late.run, version, 11)
    assert ([fired.number for fired in heard.fired], heard.run.state) == ([1], RunState.RUNNING)
    assert heard.run.due_at == moment(21)


def test_what_a_round_owes_is_asked_anew_by_the_next_one() -> None:
    version = version_of(notify(), rounds=1, repeat_after_s=600)
    held = look(run_of(), version, 0, unreachable={1}).run
    assert held.due_at == moment(1)
    second = look(held, version, 10, unreachable={1})
    assert (names(second), second.run.round, second.run.owed) == (["round_repeated", "held"], 2, (1,))
    third = look(second.run, version, 11)
    assert (names(third), third.run.due_at) == (["step_fired"], moment(21))
    assert names(look(third.run, version, 21)) == ["exhausted"]


def test_rounds_in_which_nobody_is_there_are_as_far_apart_as_others() -> None:
    version = version_of(notify(), rounds=3, repeat_after_s=600)
    run = look(run_of(), version, 0).run
    second = look(run, version, 10, unreachable={1})
    assert (names(second), second.run.round) == (["round_repeated", "held"], 2)
    still = look(second.run, version, 19, unreachable={1})
    assert (names(still), still.run.due_at) == ([], moment(20))
    third = look(still.run, version, 20, unreachable={1})
    assert (names(third), third.run.round) == (["round_repeated", "held"], 3)


def test_what_is_owed_rests_while_somebody_has_taken_notice_and_goes_when_it_is_needless() -> None:
    version = version_of(notify(when="unroutable"), notify(60))
    held = look(run_of(), version, 0, unreachable={1}, is_unowned=True).run
    acked, _ = acknowledge(held, by="agent:x", at=moment(1), until=moment(30))
    resting = look(acked, version, 5, is_unowned=True)
    assert (list(resting.fired), resting.run.state, resting.run.due_at) == ([], RunState.ACKNOWLEDGED, moment(30))
    owned = look(resting.run, version, 30)
    assert (list(owned.fired), owned.run.owed, owned.run.state) == ([], (), RunState.RUNNING)


def test_unroutable_steps_are_passed_over_once_somebody_owns_the_ticket() -> None:
    version = version_of(notify(when="unroutable"), notify(10))
    owned = look(run_of(), version, 0, is_unowned=False)
    assert (list(owned.fired), owned.run.next_step, owned.run.due_at) == ([], 2, moment(10))
    assert [fired.number for fired in look(run_of(), version, 0, is_unowned=True).fired] == [1]


def test_business_steps_count_open_time() -> None:
    version = version_of(notify(10, clock=StepClock.BUSINESS))
    advanced = advance(run_of(), version, Look(now=START), open_time=lambda start, _: start + timedelta(hours=12))
    assert advanced.run.due_at == START + timedelta(hours=12)


def test_a_person_gets_the_next_step_at_once_but_only_that_one() -> None:
    version = version_of(notify(60), notify(90), notify(when="sla_pct>=90"))
    run = look(run_of(), version, 0).run
    acked, _ = acknowledge(run, by="agent:x", at=moment(1), until=moment(500))
    hurried = hurry(acked, at=moment(2))
    taken = look(hurried, version, 2)
    assert [fired.number for fired in taken.fired] == [1]
    assert (taken.run.due_at, taken.run.ack_until, taken.run.forced) == (moment(90), None, False)
    once_more = look(hurry(look(taken.run, version, 90).run, at=moment(91)), version, 91)
    assert [fired.number for fired in once_more.fired] == [3]


def test_an_owner_from_before_the_run_is_who_owned_it_then() -> None:
    run, early, late = run_of(trigger=Trigger.MANUAL), new_id(), new_id()
    heard = hear_owner(run, early, since=moment(-1), at=moment(1))
    assert (heard.owner_at_start, heard.generation) == (early, run.generation + 1)
    after = hear_owner(heard, late, since=moment(2), at=moment(3))
    assert (after.owner_at_start, after.due_at) == (early, heard.due_at)


def test_who_takes_notice_takes_a_wish_for_the_next_step_back_and_may_have_it_anew() -> None:
    version = version_of(notify(), notify(60))
    hurried = hurry(look(run_of(), version, 0).run, at=moment(1))
    acked, _ = acknowledge(hurried, by="agent:x", at=moment(1), until=moment(30))
    assert list(look(acked, version, 30).fired) == []
    assert [fired.number for fired in look(hurry(acked, at=moment(2)), version, 2).fired] == [2]


def test_a_step_is_asked_for_once_until_it_is_taken() -> None:
    version = version_of(notify(), notify(60), notify(90))
    run = look(run_of(), version, 0).run
    hurried = hurry(run, at=moment(1))
    with pytest.raises(RaisePending):
        hurry(hurried, at=moment(1))
    taken = look(hurried, version, 1)
    assert [fired.number for fired in taken.fired] == [2]
    assert [fired.number for fired in look(hurry(taken.run, at=moment(2)), version, 2).fired] == [3]


def test_what_has_ended_stays_as_it_is() -> None:
    version = version_of(notify())
    ended, told = stop(run_of(), "met", at=moment(1))
    assert told[0].reason == "met"
    assert stop(ended, "resolved", at=moment(2)) == (ended, ())
    assert mark(ended, 90, at=moment(2)) == ended
    assert hear_owner(ended, new_id(), since=START, at=moment(2)) == ended
    assert look(ended, version, 2).run == ended
    for command in (
        lambda: acknowledge(ended, by="agent:x", at=moment(2), until=moment(3)),
        lambda: hurry(ended, at=moment(2)),
        lambda: stop_by_hand(ended, at=moment(2)),
    ):
        with pytest.raises(RunOver):
            command()


def test_addresses_stay_out_of_events() -> None:
    version = version_of(
        notify(targets=("owner", "email:lead@example.com")),
        Step(after_s=0, action=Action.WEBHOOK, url="https://example.com/secret-path"),
    )
    told = [body for body in look(run_of(), version, 0).told if isinstance(body, EscalationStepFired)]
    assert [body.targets for body in told] == [("owner", "email"), ("webhook",)]


@pytest.mark.parametrize(
    ("owner", "required", "raised"), [(1, 1, 2), (2, 1, 3), (3, 1, 3), (0, 1, 2), (0, 3, 3), (1, 3, 3), (1, 2, 2)]
)
def test_the_raised_tier_is_one_above_the_owner_and_never_lower_than_required(
    owner: int, required: int, raised: int
) -> None:
    assert raised_tier(owner_tier=owner, tier_required=required) == raised


def test_percent_is_the_highest_mark() -> None:
    run: Run = run_of(marks={75: START, 90: moment(3)})
    assert (run.percent, run_of().percent) == (90, 0)
    assert run.reached_at(80) == moment(3)
    assert run.reached_at(100) is None
