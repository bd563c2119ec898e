"""Calendars and policies by their routes: versions, what they hold for, and what is refused."""

from typing import Any
from uuid import UUID

from common.ids import new_id
from contracts.intake import TicketPriorityChanged
from escalation.calendars.domain import ALWAYS_ID, OFFICE_HOURS_ID
from escalation.sla.domain import DEFAULT_POLICY_ID
from tests.integration.escalation.conftest import Escalation

HOUR = {"urgent": 3_600, "high": 3_600, "normal": 3_600, "low": 3_600}


async def post(escalation: Escalation, path: str, body: dict[str, Any] | None = None, **headers: str) -> Any:
    """The answer to a command."""
    return await escalation.http.post(path, json=body, headers={"idempotency-key": str(new_id()), **headers})


async def add_policy(escalation: Escalation, **given: Any) -> str:
    """An active policy; returns its id."""
    drafted = await post(escalation, "/v1/sla-policies", {"name": "P", "targets_s": {"resolution": HOUR}, **given})
    assert drafted.status_code == 201, drafted.text
    activated = await post(escalation, drafted.headers["location"] + "/activate")
    assert activated.status_code == 200, activated.text
    return drafted.json()["policy_id"]


async def applied(escalation: Escalation, ticket_id: UUID) -> tuple[str, int]:
    """The policy that was told last for a ticket."""
    body = (await escalation.bodies(ticket_id, "sla.policy_applied"))[-1]
    return str(body.policy_id), body.version


async def test_two_calendars_and_a_policy_ship(escalation: Escalation) -> None:
    """So that clocks run at once."""
    calendars = (await escalation.http.get("/v1/calendars")).json()["items"]
    assert {each["calendar_id"] for each in calendars} == {str(ALWAYS_ID), str(OFFICE_HOURS_ID)}
    [policy] = (await escalation.http.get("/v1/sla-policies")).json()["items"]
    assert (policy["policy_id"], policy["state"]) == (str(DEFAULT_POLICY_ID), "active")
    assert policy["targets_s"]["handoff_accept"]["normal"] == 1_800


async def test_add_and_between_are_inverse_over_the_wire(escalation: Escalation) -> None:
    """Office hours from Friday noon: nine hours later it is Monday at one."""
    address = f"/v1/calendars/{OFFICE_HOURS_ID}"
    added = await post(escalation, f"{address}/add", {"from": "2026-03-06T12:00:00Z", "seconds": 9 * 3_600})
    assert added.json() == {"at": "2026-03-09T13:00:00Z"}
    passed = await post(
        escalation, f"{address}/between", {"from": "2026-03-06T12:00:00Z", "to": "2026-03-09T14:00:00+01:00"}
    )
    assert passed.json() == {"seconds": 9 * 3_600}
    refused = await post(escalation, f"{address}/add", {"from": "2026-03-06T12:00:00", "seconds": 1})
    assert refused.status_code == 400
    missing = await post(escalation, f"/v1/calendars/{new_id()}/add", {"from": "2026-03-06T12:00:00Z", "seconds": 1})
    assert missing.status_code == 404


async def test_a_new_version_of_a_calendar_moves_no_running_clock(escalation: Escalation) -> None:
    """It holds for clocks of tickets that come later; the old one can still be counted by."""
    policy_id = await add_policy(escalation, calendar_id=str(OFFICE_HOURS_ID))
    before = await escalation.open()
    address = f"/v1/calendars/{OFFICE_HOURS_ID}"
    body = {"name": "Later", "zone": "UTC", "week": {"tuesday": [{"start": "09:00", "end": "24:00"}]}}
    assert (await post(escalation, f"{address}/versions", body)).status_code == 428
    made = await post(escalation, f"{address}/versions", body, **{"if-match": "1"})
    assert (made.status_code, made.json()["version"]) == (201, 2)
    assert (await post(escalation, f"{address}/versions", body, **{"if-match": "1"})).status_code == 412
    after = await escalation.open()
    assert await applied(escalation, after) == (policy_id, 1)
    deadlines = [
        (await escalation.http.get(f"/v1/tickets/{each}/sla")).json()["clocks"][0]["deadline"]
        for each in (before, after)
    ]
    assert deadlines == ["2026-03-02T11:00:00Z", "2026-03-03T10:00:00Z"]
    old = await post(escalation, f"{address}/add", {"from": "2026-03-02T10:00:00Z", "seconds": 3_600, "version": 1})
    assert old.json() == {"at": "2026-03-02T11:00:00Z"}


async def test_policies_are_asked_in_their_order(escalation: Escalation) -> None:
    """The first whose rule holds; a new one right before the default; a running ticket keeps what it has."""
    vip = await add_policy(escalation, match={"tags": {"eq": "vip"}})
    english = await add_policy(escalation, match={"language": {"eq": "en"}})
    plain = await escalation.open(language="de")
    both = await escalation.open(tags=("vip",))
    assert await applied(escalation, plain) == (str(DEFAULT_POLICY_ID), 1)
    assert await applied(escalation, both) == (vip, 1)
    short = await post(escalation, "/v1/sla-policies/order", {"policy_ids": [english, vip]})
    assert short.status_code == 400
    ordered = await post(escalation, "/v1/sla-policies/order", {"policy_ids": [english, vip, str(DEFAULT_POLICY_ID)]})
    assert [each["policy_id"] for each in ordered.json()["items"]] == [english, vip, str(DEFAULT_POLICY_ID)]
    assert await applied(escalation, await escalation.open(tags=("vip",))) == (english, 1)
    assert await applied(escalation, both) == (vip, 1)
    await escalation.tell(both, TicketPriorityChanged(ticket_id=both, old="normal", new="high", reason="override"))
    assert await applied(escalation, both) == (english, 1)


async def test_versions_take_each_others_place(escalation: Escalation) -> None:
    """A draft has no effect; activated it retires the one before; retired it leaves tickets to the next policy."""
    policy_id = await add_policy(escalation)
    second = await post(
        escalation, f"/v1/sla-policies/{policy_id}/versions", {"name": "P", "targets_s": {"first_response": HOUR}}
    )
    assert (second.json()["version"], second.json()["state"]) == (2, "draft")
    ticket_id = await escalation.open()
    assert await applied(escalation, ticket_id) == (policy_id, 1)
    assert (await post(escalation, f"{second.headers['location']}/activate")).json()["state"] == "active"
    assert await applied(escalation, await escalation.open()) == (policy_id, 2)
    again = await post(escalation, f"/v1/sla-policies/{policy_id}/versions/1/activate")
    assert (again.status_code, again.json()["code"]) == (409, "policy_not_draft")
    retired = await post(escalation, f"{second.headers['location']}/retire")
    assert retired.json()["state"] == "retired"
    assert await applied(escalation, await escalation.open()) == (str(DEFAULT_POLICY_ID), 1)
    # The ticket keeps the version that it was given until its facts choose another.
    await escalation.tell(
        ticket_id, TicketPriorityChanged(ticket_id=ticket_id, old="normal", new="high", reason="override")
    )
    assert await applied(escalation, ticket_id) == (str(DEFAULT_POLICY_ID), 1)


async def test_what_cannot_be_used_is_refused_with_pointers(escalation: Escalation) -> None:
    """Fault by fault."""
    refused = await post(
        escalation,
        "/v1/calendars",
        {"name": "C", "zone": "Mars/Olympus", "week": {}, "country": "AT", "subdivision": "?"},
    )
    assert refused.status_code == 400
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/zone", "/week", "/subdivision"}
    hosts = {"name": "C", "zone": "localtime", "week": {"monday": [{"start": "09:00", "end": "17:00"}]}}
    refused = await post(escalation, "/v1/calendars", hosts)
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/zone"]
    refused = await post(
        escalation,
        "/v1/sla-policies",
        {
            "name": "P",
            "targets_s": {"resolution": HOUR},
            "match": {"mood": {"eq": "bad"}},
            "calendars": {"low": str(new_id())},
        },
    )
    assert refused.status_code == 400
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/match/mood", "/calendars/low"}
