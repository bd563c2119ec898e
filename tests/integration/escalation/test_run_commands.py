"""What people do with runs and policies through the API."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from common.ids import new_id
from contracts.intake import TicketStatusChanged
from escalation.escalations.policy import CALLED_ID, DEFAULT_ID
from tests.integration.escalation.conftest import Escalation
from tests.integration.escalation.test_runs import MINUTE, messages, online, owned, state, turn, words

REASON = {"reason": "The customer is on stage in an hour."}


async def post(escalation: Escalation, path: str, body: Any = None, **headers: str) -> Any:
    """The answer to a command."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await escalation.http.post(f"/v1{path}", json=body, headers=given)


async def escalated(escalation: Escalation) -> tuple[UUID, Any]:
    """A ticket with a run that was begun by hand and took its first step: (ticket, run as shown)."""
    ticket_id, _, _ = await owned(escalation)
    answer = await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/escalations/{answer.json()['run_id']}"
    await turn(escalation)
    return ticket_id, await state(escalation, ticket_id)


async def test_help_is_called_acknowledged_and_called_again_after_the_time_out(escalation: Escalation) -> None:
    ticket_id, run = await escalated(escalation)
    assert (run["trigger"], run["policy_id"], run["reason"]) == ("manual", str(CALLED_ID), REASON["reason"])
    [message] = await messages(escalation)
    assert REASON["reason"] in message.body["body"]
    again = await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    assert (again.status_code, again.json()["code"]) == (409, "escalation_running")

    path = f"/escalations/{run['run_id']}"
    without = await post(escalation, f"{path}/acknowledge")
    assert without.status_code == 428
    acked = await post(escalation, f"{path}/acknowledge", if_match=f'"{run["version"]}"')
    assert acked.json()["state"] == "acknowledged"
    stale = await post(escalation, f"{path}/stop", if_match=f'"{run["version"]}"')
    assert stale.status_code == 412
    await turn(escalation, 30 * MINUTE)
    assert await words(escalation, ticket_id) == ["started", "step_fired", "acknowledged"]
    await turn(escalation, 30 * MINUTE)
    told = await words(escalation, ticket_id)
    assert told[:7] == [
        "started", "step_fired", "acknowledged", "ack_expired", "step_fired", "level_changed", "handoff.requested"
    ]  # fmt: skip


async def test_a_person_raises_at_once_and_stops(escalation: Escalation) -> None:
    ticket_id, run = await escalated(escalation)
    path = f"/escalations/{run['run_id']}"
    raised = await post(escalation, f"{path}/raise", if_match=f'"{run["version"]}"')
    assert raised.status_code == 200
    assert [step["action"] for step in raised.json()["steps"]] == ["notify"]
    twice = await post(escalation, f"{path}/raise", if_match=raised.headers["etag"])
    assert (twice.status_code, twice.json()["code"]) == (409, "raise_pending")
    await turn(escalation)
    assert (await words(escalation, ticket_id))[-2:] == ["level_changed", "handoff.requested"]
    stopped = await post(escalation, f"{path}/stop", if_match=raised.headers["etag"])
    assert (stopped.json()["state"], stopped.json()["end_reason"]) == ("stopped", "manual")
    over = await post(escalation, f"{path}/raise", if_match=stopped.headers["etag"])
    assert (over.status_code, over.json()["code"]) == (409, "escalation_over")
    assert (await escalation.http.get(f"/v1/escalations/{run['run_id']}")).headers["etag"] == over.request.headers[
        "if-match"
    ]


async def activated(escalation: Escalation, **given: Any) -> str:
    """The path of a policy that is followed from now on."""
    made = await post(escalation, "/escalation-policies", policy(**given))
    assert made.status_code == 201, made.text
    path = f"/escalation-policies/{made.json()['policy_id']}"
    done = await post(escalation, f"{path}/versions/1/activate", if_match=made.headers["etag"])
    assert done.status_code == 200, done.text
    return path


async def test_what_was_told_last_can_be_acknowledged(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    steps = [{"action": "notify", "targets": ["owner"]}]
    await activated(escalation, steps=steps, match={}, repeat_after_s=600)
    await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    await turn(escalation)
    assert await words(escalation, ticket_id) == ["started", "step_fired"]
    run = await state(escalation, ticket_id)
    acked = await post(escalation, f"/escalations/{run['run_id']}/acknowledge", if_match=f'"{run["version"]}"')
    assert (acked.status_code, acked.json()["state"]) == (200, "acknowledged")


@pytest.mark.parametrize("helped", [True, False])
async def test_a_run_that_ends_takes_back_what_it_asked_of_intake(escalation: Escalation, helped: bool) -> None:
    """As long as the call has not left: nobody raises the priority of a ticket that needs it no more."""
    ticket_id, _, _ = await owned(escalation)
    await activated(escalation, steps=[{"action": "raise_priority"}], match={})
    await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    await turn(escalation)
    calls = "select 1 from outgoing_call where kind = 'raise_priority'"
    assert len(await escalation.sql(calls)) == 1
    if helped:
        await escalation.own(ticket_id, await online(escalation, tier=2), tier=2)
        await turn(escalation)
    else:
        run = await state(escalation, ticket_id)
        await post(escalation, f"/escalations/{run['run_id']}/stop", if_match=f'"{run["version"]}"')
    assert (await words(escalation, ticket_id))[-1] == ("completed" if helped else "stopped")
    assert await escalation.sql(calls) == []


async def test_steps_that_were_taken_show_no_address(escalation: Escalation) -> None:
    ticket_id, _, _ = await owned(escalation)
    steps = [
        {"action": "notify", "targets": ["owner", "email:duty@example.com"]},
        {"action": "webhook", "url": "https://duty.example.com/secret"},
    ]
    await activated(escalation, steps=steps, match={})
    await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    await turn(escalation)
    shown = (await state(escalation, ticket_id))["steps"]
    assert [step["targets"] for step in shown] == [["owner", "email"], ["webhook"]]
    kept = await escalation.sql("select targets from escalation_step")
    assert "duty" not in str(kept)


async def test_a_clock_whose_run_was_exhausted_or_stopped_by_hand_begins_none_again(escalation: Escalation) -> None:
    """Not by its next percent, nor by its breach; another clock of the ticket does."""
    steps = [{"action": "notify", "targets": ["owner"], "when": "sla_pct>=50"}]
    clocks = ["first_response", "resolution"]
    await activated(escalation, triggers=["sla"], clocks=clocks, steps=steps, match={}, repeat_after_s=60)
    exhausted, _, _ = await owned(escalation)
    stopped, _, _ = await owned(escalation)
    await turn(escalation, 30 * MINUTE)
    run = await state(escalation, stopped)
    await post(escalation, f"/escalations/{run['run_id']}/stop", if_match=f'"{run["version"]}"')
    for _ in range(40):
        await turn(escalation, MINUTE)
    assert await words(escalation, exhausted) == ["started", "step_fired", "exhausted"]
    assert await words(escalation, stopped) == ["started", "step_fired", "stopped"]
    assert len(await escalation.bodies(exhausted, "sla.breached")) == 1
    await turn(escalation, 180 * MINUTE)
    assert (await state(escalation, exhausted))["clock_kind"] == "resolution"


async def test_a_ticket_that_somebody_else_took_needs_no_help_any_more(escalation: Escalation) -> None:
    ticket_id, _ = await escalated(escalation)
    await escalation.own(ticket_id, await online(escalation, tier=2), tier=2)
    await turn(escalation)
    assert (await words(escalation, ticket_id))[-1] == "completed"


async def test_what_cannot_be_escalated_is_refused(escalation: Escalation) -> None:
    unknown = await post(escalation, f"/tickets/{new_id()}/escalate", REASON)
    assert unknown.status_code == 404
    ticket_id = await escalation.open()
    await escalation.tell(ticket_id, TicketStatusChanged(ticket_id=ticket_id, old="open", new="resolved"))
    over = await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    assert (over.status_code, over.json()["code"]) == (409, "ticket_over")
    for command in ("acknowledge", "stop", "raise"):
        missing = await post(escalation, f"/escalations/{new_id()}/{command}", if_match='"1"')
        assert missing.status_code == 404


def policy(**given: Any) -> dict[str, Any]:
    """A policy as a caller sends it."""
    return {
        "name": f"Policy {new_id()}",
        "priority": 10,
        "triggers": ["manual"],
        "match": {"priority": {"in": ["high", "urgent"]}},
        "steps": [{"action": "raise_priority"}, {"action": "handoff", "tier": 3, "after_s": 60}],
        "rounds": 0,
        **given,
    }


async def test_a_policy_of_ones_own_is_drafted_activated_followed_and_retired(escalation: Escalation) -> None:
    ticket_id, owner, _ = await owned(escalation, priority="urgent", impact=1, urgency=1)
    made = await post(escalation, "/escalation-policies", policy())
    assert made.status_code == 201, made.text
    path = f"/escalation-policies/{made.json()['policy_id']}"
    assert (made.json()["active_version"], made.json()["versions"][0]["state"]) == (None, "draft")
    stale = await post(escalation, f"{path}/versions/1/activate", if_match='"7"')
    assert stale.status_code == 412
    active = await post(escalation, f"{path}/versions/1/activate", if_match=made.headers["etag"])
    assert active.json()["active_version"] == 1

    run = (await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)).json()
    assert run["policy_id"] == made.json()["policy_id"]
    second = await post(escalation, f"{path}/versions", {key: value for key, value in policy().items()
                                                       if key not in ("name", "priority")})  # fmt: skip
    assert second.json()["versions"][1]["version"] == 2
    renewed = await post(escalation, f"{path}/versions/2/activate", if_match=second.headers["etag"])
    assert [version["state"] for version in renewed.json()["versions"]] == ["retired", "active"]
    refused = await post(escalation, f"{path}/versions/1/activate", if_match=renewed.headers["etag"])
    assert (refused.status_code, refused.json()["code"]) == (409, "policy_not_draft")

    # The run keeps the version that it began with.
    await turn(escalation)
    [call] = await escalation.sql("select path, body from outgoing_call where kind = 'raise_priority'")
    assert call.path == f"/v1/tickets/{ticket_id}/raise-priority"
    await turn(escalation, MINUTE)
    [handoff] = await escalation.bodies(ticket_id, "handoff.requested")
    assert (handoff.tier_required, handoff.from_agent_id) == (3, owner)
    assert (await state(escalation, ticket_id))["policy_version"] == 1

    retired = await post(escalation, f"{path}/versions/2/retire", if_match=renewed.headers["etag"])
    assert retired.json()["active_version"] is None
    listed = (await escalation.http.get("/v1/escalation-policies")).json()["items"]
    assert [item["priority"] for item in listed] == [10, 100, 100, 100]
    assert (await escalation.http.get(f"/v1{path}")).json() == retired.json()


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"steps": [{"action": "notify"}]}, "/steps/0/targets"),
        ({"steps": [{"action": "notify", "targets": ["somebody"]}]}, "/steps/0/targets/0"),
        ({"steps": [{"action": "notify", "targets": ["tier:4"]}]}, "/steps/0/targets/0"),
        ({"steps": [{"action": "notify", "targets": [f"agent:{'-' * 36}"]}]}, "/steps/0/targets/0"),
        ({"steps": [{"action": "notify", "targets": ["email:lead@["]}]}, "/steps/0/targets/0"),
        ({"steps": [{"action": "webhook"}]}, "/steps/0/url"),
        ({"steps": [{"action": "webhook", "url": "https://[x"}]}, "/steps/0/url"),
        ({"steps": [{"action": "raise_tier", "url": "https://example.com/"}]}, "/steps/0/url"),
        ({"steps": [{"action": "raise_tier", "tier": 2}]}, "/steps/0/tier"),
        ({"steps": [{"action": "raise_tier", "when": "sla_pct>=75"}]}, "/steps/0/when"),
        ({"steps": [{"action": "raise_tier", "when": "sla_pct>=101"}], "triggers": ["sla"]}, "/steps/0/when"),
        ({"match": {"colour": {"eq": "red"}}}, "/match/colour"),
        ({"rounds": 6}, "/rounds"),
        ({"steps": []}, "/steps"),
    ],
)
async def test_a_policy_that_could_never_run_is_refused(
    escalation: Escalation, given: dict[str, Any], pointer: str
) -> None:
    refused = await post(escalation, "/escalation-policies", policy(**given))
    assert refused.status_code == 400
    assert pointer in [fault["pointer"] for fault in refused.json()["errors"]]


async def test_names_are_unique_and_calendars_must_exist(escalation: Escalation) -> None:
    body = policy()
    assert (await post(escalation, "/escalation-policies", body)).status_code == 201
    twin = await post(escalation, "/escalation-policies", body)
    assert (twin.status_code, twin.json()["code"]) == (409, "policy_exists")
    lost = await post(escalation, "/escalation-policies", policy(calendar_id=str(new_id())))
    assert lost.status_code == 404


async def test_without_a_policy_nothing_runs(escalation: Escalation) -> None:
    for policy_id in (CALLED_ID, DEFAULT_ID):
        answer = await post(escalation, f"/escalation-policies/{policy_id}/versions/1/retire", if_match='"1"')
        assert answer.status_code == 200, answer.text
    ticket_id, _, _ = await owned(escalation)
    refused = await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "no_escalation_policy")
    await turn(escalation, timedelta(hours=3))
    assert await words(escalation, ticket_id) == []


async def test_business_steps_wait_for_open_hours(escalation: Escalation) -> None:
    """Monday 16:00; the office closes at 17:00, so an hour and a half of open time ends on Tuesday."""
    escalation.clock.move(timedelta(hours=6))
    ticket_id, _, _ = await owned(escalation)
    steps = [{"action": "raise_tier", "after_s": 5_400, "clock": "business"}]
    made = await post(escalation, "/escalation-policies", policy(steps=steps, match={}))
    path = f"/escalation-policies/{made.json()['policy_id']}"
    await post(escalation, f"{path}/versions/1/activate", if_match=made.headers["etag"])
    await post(escalation, f"/tickets/{ticket_id}/escalate", REASON)
    await turn(escalation)
    due_at = (await state(escalation, ticket_id))["due_at"]
    assert due_at.startswith("2026-03-03"), due_at
