"""Which policy runs for a cause, when its runs begin, and what people are told."""

from uuid import UUID

import pytest

from common.errors import Conflict, InvalidInput
from escalation.escalations.domain import Trigger
from escalation.escalations.policy import Action, Step, VersionState, check_draft, check_version, choose
from escalation.escalations.stepping import Fired
from escalation.escalations.wording import facts_of, word
from tests.unit.escalations.build import START, notify, run_of, version_of

URGENT = {"priority": "urgent", "tags": ["vip"]}


def test_the_first_that_fits_trigger_clock_and_ticket_is_chosen() -> None:
    vip = version_of(notify(), match={"tags": {"eq": "vip"}}, clocks=("resolution",))
    rest = version_of(notify(), triggers=(Trigger.SLA, Trigger.MANUAL))
    active = [vip, rest]
    assert choose(active, trigger=Trigger.SLA, facts=URGENT, clock_kind="resolution") is vip
    assert choose(active, trigger=Trigger.SLA, facts=URGENT, clock_kind="first_response") is rest
    assert choose(active, trigger=Trigger.SLA, facts={"tags": []}, clock_kind="resolution") is rest
    assert choose(active, trigger=Trigger.MANUAL, facts=URGENT) is rest
    assert choose(active, trigger=Trigger.HANDOFF, facts=URGENT) is None


def test_a_run_begins_with_the_least_percent_or_with_the_breach() -> None:
    assert version_of(notify(when="sla_pct>=90"), notify(when="sla_pct>=75")).starts_at_percent == 75
    assert version_of(notify(), notify(10)).starts_at_percent == 100


def test_only_a_draft_becomes_active() -> None:
    check_draft(version_of(notify(), state=VersionState.DRAFT))
    with pytest.raises(Conflict, match="not a draft"):
        check_draft(version_of(notify(), state=VersionState.RETIRED))


@pytest.mark.parametrize(
    "target",
    [
        "owner", "team_lead", "tier:1", "team:web shop", f"agent:{UUID(int=5)}", "email:a.b@example.com",
        "email:o'neill+duty@localhost", "email:jürgen@bücher.example",
    ],
)  # fmt: skip
def test_every_kind_of_target_is_known(target: str) -> None:
    check_version(version_of(notify(targets=(target,))))


@pytest.mark.parametrize(
    "target",
    [
        "", "owners", "tier:0", "team:", "team:a\x00b", "agent:5", f"agent:{'-' * 36}", f"agent:{'a' * 36}",
        "email:a@b@c", "email:a b@c", "email:a", "email:lead@[", "email:lead@[1", "email:a..b@example.com",
        "email:.a@example.com", "email:lead@example..com", "email:lead@-example.com", "email:(a@b", "email:a\x00@b",
        f"email:lead@{'a' * 64}.example.com",
    ],
)  # fmt: skip
def test_other_targets_are_refused(target: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_version(version_of(notify(targets=(target,))))
    assert [pointer for pointer, _ in refused.value.pointers] == ["/steps/0/targets/0"]


@pytest.mark.parametrize("url", ["https://duty.example.com/hook", "http://[::1]:8080/", "https://bücher.example/?a=b"])
def test_urls_of_hosts_are_known(url: str) -> None:
    check_version(version_of(Step(after_s=0, action=Action.WEBHOOK, url=url)))


@pytest.mark.parametrize(
    "url",
    [
        "https://[x", "https://a..b/hook", "https://:80/", "https://a:99999/", "https://a:b/", "https://me@a/",
        f"https://{'a' * 64}.example.com/",
    ],
)  # fmt: skip
def test_urls_that_nobody_could_call_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_version(version_of(Step(after_s=0, action=Action.WEBHOOK, url=url)))
    assert [pointer for pointer, _ in refused.value.pointers] == ["/steps/0/url"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"clock_kind": "resolution", "marks": {75: START}}, "75 % of the time for the resolution is used"),
        ({"clock_kind": "next_response", "marks": {100: START}}, "the time for the next response is over"),
        ({"trigger": Trigger.UNROUTABLE}, "no agent could ever take this ticket"),
        ({"trigger": Trigger.HANDOFF}, "nobody took the handoff"),
    ],
)
def test_people_are_told_what_is_wrong_and_what_to_do(given: dict[str, object], says: str) -> None:
    run = run_of(**given)
    fired = Fired(step=notify(), number=2, round=1)
    words = word(run, fired, number=7, agents=[UUID(int=5)])
    assert words.subject == f"FL-7: {says}"
    assert f"agent {UUID(int=5)}" in words.text
    assert f"/v1/escalations/{run.run_id}/acknowledge" in words.text
    assert facts_of(run, fired)["round"] == 1
