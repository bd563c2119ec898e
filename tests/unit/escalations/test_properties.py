"""Whatever happens to a run, in whatever order and however late: no step twice in a round, none after its end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from escalation.escalations.domain import (
    LIVE,
    Run,
    RunState,
    acknowledge,
    hear_owner,
    hurry,
    mark,
    stop,
)
from escalation.escalations.policy import Action, Step, Version
from escalation.escalations.stepping import Look, advance, plain_time
from tests.unit.escalations.build import START, notify, run_of, version_of

OWNER = UUID(int=4)

steps = st.one_of(
    st.builds(notify, st.integers(0, 60)),
    st.builds(notify, st.integers(0, 20), when=st.sampled_from(["sla_pct>=75", "sla_pct>=90", "sla_pct>=100"])),
    st.builds(notify, st.integers(0, 60), when=st.just("unroutable")),
    st.builds(lambda after: Step(after_s=after * 60, action=Action.RAISE_TIER), st.integers(0, 60)),
)
versions = st.builds(
    lambda chosen, rounds: version_of(*chosen, rounds=rounds),
    st.lists(steps, min_size=1, max_size=5),
    st.integers(0, 3),
)


@dataclass(frozen=True)
class Happening:
    """Something that happens some minutes after what happened before."""

    what: str
    minutes: int
    percent: int = 0
    unreachable: frozenset[int] = frozenset()
    is_unowned: bool = False


happenings = st.lists(
    st.builds(
        Happening,
        what=st.sampled_from(["look", "look", "look", "mark", "ack", "hurry", "stop", "owned"]),
        minutes=st.integers(0, 40),
        percent=st.sampled_from([50, 75, 90, 100]),
        unreachable=st.frozensets(st.integers(1, 5)),
        is_unowned=st.booleans(),
    ),
    max_size=40,
)


@given(version=versions, story=happenings)
def test_no_step_twice_none_after_the_end_and_never_stuck(version: Version, story: list[Happening]) -> None:
    run, now = run_of(), START
    taken: list[tuple[int, int]] = []
    for happening in story:
        now += timedelta(minutes=happening.minutes)
        before = run
        if happening.what == "look":
            look = Look(now=now, unreachable=happening.unreachable, is_unowned=happening.is_unowned)
            advanced = advance(run, version, look, open_time=plain_time)
            assert before.is_live or (advanced.run == before and not advanced.fired and not advanced.told)
            assert not {fired.number for fired in advanced.fired} & happening.unreachable
            taken += [(fired.round, fired.number) for fired in advanced.fired]
            run = advanced.run
            again = advance(run, version, look, open_time=plain_time)
            assert not again.fired, "a second look at once takes nothing"
            _check_waits(run, version)
            if run.is_live and run.due_at is not None:
                assert run.due_at > now
        else:
            run = _happen(run, happening, version, now)
        assert not before.is_live or run == before or run.generation > before.generation
        assert run.version >= before.version
    assert len(taken) == len(set(taken))
    assert [round_ for round_, _ in taken] == sorted(round_ for round_, _ in taken)
    assert all(round_ <= version.rounds + 1 for round_, _ in taken)


def _happen(run: Run, happening: Happening, version: Version, now: datetime) -> Run:
    if happening.what == "mark":
        return mark(run, happening.percent, at=now)
    if happening.what == "owned":
        return hear_owner(run, OWNER, since=now, at=now)
    if run.state not in LIVE:
        return run
    if happening.what == "ack":
        return acknowledge(run, by="agent:x", at=now, until=now + timedelta(seconds=version.ack_timeout_s))[0]
    if happening.what == "hurry":
        return run if run.forced else hurry(run, at=now)
    return stop(run, "manual", at=now)[0]


def _check_waits(run: Run, version: Version) -> None:
    """A live run has a time to be looked at again, or waits for a percent that only an event can bring."""
    if run.is_live and run.due_at is None:
        assert run.state is not RunState.ACKNOWLEDGED
        step = version.steps[run.next_step - 1]
        assert step.percent
        assert run.reached_at(step.percent) is None
