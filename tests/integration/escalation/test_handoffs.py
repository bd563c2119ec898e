"""Handoffs by their API and by what routing and intake tell: package, request, outcome, return."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from common.ids import new_id
from contracts.escalation import HandoffRequested
from contracts.intake import TicketResolved, TicketStatusChanged
from contracts.routing import (
    AgentDeactivated,
    AssignmentAssigned,
    AssignmentDeclined,
    AssignmentOffered,
    AssignmentOfferExpired,
    AssignmentUnassigned,
    WorkDequeued,
    WorkUnroutable,
)
from tests.integration.escalation.conftest import Escalation
from tests.support.eventually import eventually
from tests.support.handoffs import PACKAGE


class Floor:
    """A ticket with its owner, and seniors who may take it over."""

    def __init__(self, escalation: Escalation, ticket_id: UUID, owner: UUID, seniors: list[UUID]) -> None:
        self.escalation = escalation
        self.ticket_id = ticket_id
        self.owner = owner
        self.seniors = seniors

    async def post(self, path: str, body: object = None, *, by: UUID | None = None, **headers: str) -> httpx.Response:
        acting = {"support-actor": f"agent:{by}"} if by else {}
        return await self.escalation.http.post(path, json=body, headers={**acting, **headers})

    async def request(self, *, by: UUID | None = None, **given: Any) -> httpx.Response:
        body = {"reason_code": "needs_seniority", "package": PACKAGE, **given}
        return await self.post(f"/v1/tickets/{self.ticket_id}/handoffs", body, by=by or self.owner)

    async def requested(self, **given: Any) -> dict[str, Any]:
        answer = await self.request(**given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def command(self, handoff_id: str, name: str, body: object = None, *, by: UUID) -> httpx.Response:
        version = (await self.escalation.http.get(f"/v1/handoffs/{handoff_id}")).headers["etag"]
        return await self.post(f"/v1/handoffs/{handoff_id}/{name}", body, by=by, **{"if-match": version})

    async def withdraw(self, handoff_id: str, verdict: str = "withdrawn") -> httpx.Response:
        """Withdraw, while routing says what became of it; with no verdict, while time passes."""

        async def say() -> None:
            async def recalled() -> bool:
                return (await self.look(handoff_id))["ending"] == "sender"

            await eventually(recalled)
            if verdict == "accepted":
                await self.accept(handoff_id, self.seniors[0])
            elif verdict:
                await self.dequeue(handoff_id, verdict)
            else:
                self.escalation.clock.move(timedelta(seconds=3))

        answer, _ = await asyncio.gather(self.command(handoff_id, "withdraw", by=self.owner), say())
        return answer

    async def look(self, handoff_id: str) -> dict[str, Any]:
        answer = await self.escalation.http.get(f"/v1/handoffs/{handoff_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hear(self, *bodies: Any) -> None:
        await self.escalation.tell(self.ticket_id, *bodies)

    async def offer(self, handoff_id: str, agent: UUID) -> UUID:
        offer_id = new_id()
        at = self.escalation.clock.now() + timedelta(seconds=120)
        await self.hear(
            AssignmentOffered(
                ticket_id=self.ticket_id,
                offer_id=offer_id,
                agent_id=agent,
                expires_at=at,
                attempt=1,
                kind="handoff",
                handoff_id=UUID(handoff_id),
            )
        )
        return offer_id

    async def decline(self, handoff_id: str, agent: UUID, reason: str = "busy") -> None:
        offer_id = await self.offer(handoff_id, agent)
        await self.hear(
            AssignmentDeclined(
                ticket_id=self.ticket_id,
                offer_id=offer_id,
                agent_id=agent,
                reason=reason,
                kind="handoff",
                handoff_id=UUID(handoff_id),
            )
        )

    async def accept(self, handoff_id: str, agent: UUID, *, tier: int = 3) -> UUID:
        """What routing tells when the receiver has accepted the offer."""
        old = (
            await self.escalation.sql(
                "select assignment_id, owner_id from ticket where ticket_id = :id", id=self.ticket_id
            )
        )[0]
        new = new_id()
        taken = AssignmentAssigned(
            ticket_id=self.ticket_id,
            assignment_id=new,
            agent_id=agent,
            agent_tier=tier,
            method="handoff",
            weight=2,
            replaces=old.assignment_id,
            kind="handoff",
            handoff_id=UUID(handoff_id),
        )
        if old.assignment_id is None:
            await self.hear(taken)
        else:
            left = AssignmentUnassigned(
                ticket_id=self.ticket_id, assignment_id=old.assignment_id, agent_id=old.owner_id, reason="handoff"
            )
            await self.hear(taken, left)
        return new

    async def dequeue(self, handoff_id: str, reason: str) -> None:
        await self.hear(
            WorkDequeued(ticket_id=self.ticket_id, reason=reason, kind="handoff", handoff_id=UUID(handoff_id))
        )

    async def told(self) -> list[str]:
        return await self.escalation.told(self.ticket_id, "handoff.")

    async def last(self, kind: str) -> Any:
        return (await self.escalation.bodies(self.ticket_id, f"handoff.{kind}"))[-1]


@pytest.fixture
async def floor(escalation: Escalation) -> Floor:
    owner = await escalation.agent(tier=1)
    seniors = [await escalation.agent(tier=3) for _ in range(3)]
    ticket_id = await escalation.open()
    await escalation.own(ticket_id, owner)
    return Floor(escalation, ticket_id, owner, seniors)


async def test_a_request_tells_routing_whom_to_ask_and_keeps_the_owner(floor: Floor) -> None:
    """Everything that routing needs travels in the event, and nothing that the package says."""
    made = await floor.requested(to={"teams": ["net", "net"], "skills": [{"skill": "tls", "level": 4}]})
    assert made["state"] == "requested"
    assert made["from_agent_id"] == str(floor.owner)
    assert made["completeness"] == 1
    assert made["missing"] == []
    assert made["tier_required"] == 2, "one above the sender's"
    body = await floor.last("requested")
    assert isinstance(body, HandoffRequested)
    assert body.to_teams == ("net",)
    assert [need.skill for need in body.skills] == ["tls"]
    assert not body.only_agent
    assert body.expires_at - floor.escalation.clock.now() == timedelta(hours=2)
    assert body.deadline - floor.escalation.clock.now() == timedelta(minutes=30)
    raw = await floor.escalation.sql("select payload from event")
    assert all(b"certificate" not in bytes(row.payload) for row in raw)


async def test_an_addressed_agent_is_asked_alone_unless_more_is_said(floor: Floor) -> None:
    senior = str(floor.seniors[0])
    alone = await floor.requested(to={"agent_id": senior})
    assert alone["only_agent"]
    assert (await floor.withdraw(alone["id"])).json()["state"] == "withdrawn"
    first = await floor.requested(to={"agent_id": senior, "tier": 3})
    assert not first["only_agent"]
    assert first["tier_required"] == 3


@pytest.mark.parametrize(
    ("lost", "empty"),
    list(PACKAGE.items()),
)
async def test_an_incomplete_package_is_refused_by_name(floor: Floor, lost: str, empty: object) -> None:
    answer = await floor.request(package={name: value for name, value in PACKAGE.items() if name != lost})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "package_incomplete"
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/package/{lost}"]
    blank = await floor.request(package={**PACKAGE, lost: "  " if isinstance(empty, str) else type(empty)()})
    says_none = lost in ("hypotheses", "evidence", "promises_made")
    assert blank.status_code == (201 if says_none else 400)


async def test_an_emergency_goes_out_at_once_and_its_package_follows(floor: Floor) -> None:
    made = await floor.requested(emergency=True, package={"ask": "Now!"})
    assert made["completeness"] == pytest.approx(1 / 11, abs=1e-3)
    assert (await floor.last("requested")).emergency
    due = datetime.fromisoformat(made["package_due_at"])
    assert due - floor.escalation.clock.now() == timedelta(minutes=30)
    path = f"/v1/handoffs/{made['id']}/package"
    acting = {"support-actor": f"agent:{floor.owner}"}
    http = floor.escalation.http
    assert (await http.patch(path, json=PACKAGE, headers=acting)).status_code == 428
    assert (await http.patch(path, json=PACKAGE, headers={**acting, "if-match": "99"})).status_code == 412
    part = await http.patch(path, json={"restatement": "x"}, headers={**acting, "if-match": str(made["version"])})
    assert part.status_code == 200
    assert "handoff.package_completed" not in await floor.told()
    whole = await http.patch(path, json=PACKAGE, headers={**acting, "if-match": part.headers["etag"]})
    assert whole.status_code == 200
    assert whole.json()["package_completed_at"] is not None
    assert (await floor.told()).count("handoff.package_completed") == 1
    spoilt = await http.patch(path, json={"ask": " "}, headers={**acting, "if-match": whole.headers["etag"]})
    assert spoilt.status_code == 400
    assert (await floor.told()).count("handoff.package_completed") == 1


async def test_a_draft_asks_nobody_until_it_is_requested(floor: Floor) -> None:
    draft = await floor.requested(draft=True, package={})
    assert draft["state"] == "draft"
    assert await floor.told() == []
    early = await floor.command(draft["id"], "request", by=floor.owner)
    assert early.json()["code"] == "package_incomplete"
    http = floor.escalation.http
    patched = await http.patch(
        f"/v1/handoffs/{draft['id']}/package",
        json=PACKAGE,
        headers={"support-actor": f"agent:{floor.owner}", "if-match": str(draft["version"])},
    )
    assert patched.status_code == 200, patched.text
    assert (await floor.command(draft["id"], "request", by=floor.seniors[0])).status_code == 403
    requested = await floor.command(draft["id"], "request", by=floor.owner)
    assert requested.json()["state"] == "requested"
    assert await floor.told() == ["handoff.requested"]
    again = await floor.command(draft["id"], "request", by=floor.owner)
    assert (again.status_code, again.json()["code"]) == (409, "handoff_state")


async def test_who_may_ask_and_when(floor: Floor) -> None:
    stranger = await floor.request(by=floor.seniors[0])
    assert (stranger.status_code, stranger.json()["code"]) == (409, "not_owner")
    herself = await floor.request(to={"agent_id": str(floor.owner)})
    assert (herself.status_code, herself.json()["errors"][0]["pointer"]) == (400, "/to/agent_id")
    unknown = await floor.request(to={"agent_id": str(new_id())})
    assert unknown.status_code == 400
    gone = floor.seniors[2]
    await floor.escalation.tell(gone, AgentDeactivated(agent_id=gone))
    assert (await floor.request(to={"agent_id": str(gone)})).json()["code"] == "agent_inactive"
    await floor.requested()
    second = await floor.request()
    assert (second.status_code, second.json()["code"]) == (409, "handoff_open")


async def test_a_client_without_an_agent_hands_over_for_the_owner(floor: Floor) -> None:
    answer = await floor.post(
        f"/v1/tickets/{floor.ticket_id}/handoffs", {"reason_code": "shift_end", "package": PACKAGE}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["from_agent_id"] == str(floor.owner)
    assert answer.json()["tier_required"] == 1, "a change of shift asks for no higher tier"


async def test_nothing_is_handed_over_that_is_over_or_ownerless(floor: Floor) -> None:
    await floor.hear(TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new="resolved"))
    over = await floor.request()
    assert (over.status_code, over.json()["code"]) == (409, "ticket_over")
    orphan = Floor(floor.escalation, await floor.escalation.open(), floor.owner, [])
    assert (await orphan.request()).json()["code"] == "not_owner"
    nowhere = Floor(floor.escalation, new_id(), floor.owner, [])
    assert (await nowhere.request()).status_code == 404


async def test_only_routing_says_that_it_was_accepted(floor: Floor) -> None:
    """The receiver owns it by routing's word; the customer is told; a repeat of the event changes nothing."""
    made = await floor.requested()
    senior = floor.seniors[0]
    offer_id = await floor.offer(made["id"], senior)
    offered = await floor.look(made["id"])
    assert (offered["offered_to"], offered["offer_id"]) == (str(senior), str(offer_id))
    assignment = await floor.accept(made["id"], senior)
    accepted = await floor.look(made["id"])
    assert accepted["state"] == "accepted"
    assert accepted["receiver_id"] == str(senior)
    assert accepted["assignment_id"] == str(assignment)
    assert accepted["offer_id"] is None
    assert accepted["customer_informed_at"] is None
    assert await floor.told() == ["handoff.requested", "handoff.accepted"]
    calls = await floor.escalation.sql("select kind, service, method, path from outgoing_call")
    assert [(call.kind, call.service, call.path) for call in calls] == [
        ("handoff_receiver", "routing", f"/v1/agents/{senior}")
    ]
    assert await floor.escalation.sql("select 1 from timer") == []


async def test_a_withdrawal_is_routings_to_confirm(floor: Floor) -> None:
    made = await floor.requested()
    answer = await floor.withdraw(made["id"])
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
    assert await floor.told() == ["handoff.requested", "handoff.recalled", "handoff.withdrawn"]
    assert (await floor.last("withdrawn")).reason == "sender"
    again = await floor.command(made["id"], "withdraw", by=floor.owner)
    assert again.status_code == 200, "a repeat"
    assert (await floor.told()).count("handoff.recalled") == 1


async def test_a_withdrawal_says_so_where_routing_takes_its_time(floor: Floor) -> None:
    made = await floor.requested()
    answer = await floor.withdraw(made["id"], verdict="")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["ending"]) == ("requested", "sender")
    await floor.dequeue(made["id"], "withdrawn")
    assert (await floor.look(made["id"]))["state"] == "withdrawn"


async def test_a_withdrawal_that_comes_too_late_is_refused_and_the_acceptance_stands(floor: Floor) -> None:
    made = await floor.requested()
    late = await floor.withdraw(made["id"], "accepted")
    later = await floor.command(made["id"], "withdraw", by=floor.owner)
    for answer in (late, later):
        assert (answer.status_code, answer.json()["code"]) == (409, "handoff_accepted")
    assert await floor.told() == ["handoff.requested", "handoff.recalled", "handoff.accepted"]
    assert (await floor.look(made["id"]))["ending"] == ""


async def test_an_addressed_agents_no_ends_it(floor: Floor) -> None:
    made = await floor.requested(to={"agent_id": str(floor.seniors[0])})
    await floor.decline(made["id"], floor.seniors[0], "missing_access")
    assert (await floor.told())[-1] == "handoff.recalled"
    await floor.dequeue(made["id"], "declined")
    body = await floor.last("declined")
    assert (body.reason_code, body.agent_id) == ("missing_access", floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "declined"


async def test_the_third_no_ends_it_and_expired_offers_do_not_count(floor: Floor) -> None:
    made = await floor.requested()
    offer_id = await floor.offer(made["id"], floor.seniors[0])
    await floor.hear(
        AssignmentOfferExpired(
            ticket_id=floor.ticket_id,
            offer_id=offer_id,
            agent_id=floor.seniors[0],
            kind="handoff",
            handoff_id=UUID(made["id"]),
        )
    )
    assert (await floor.look(made["id"]))["offer_id"] is None
    for count, senior in enumerate(floor.seniors, 1):
        await floor.decline(made["id"], senior, "no words of ours")
        assert (await floor.look(made["id"]))["declines"] == count
    assert await floor.told() == ["handoff.requested", "handoff.recalled"]
    await floor.dequeue(made["id"], "declined")
    assert (await floor.last("declined")).reason_code == "other"


async def test_where_nobody_could_take_it_it_is_declined(floor: Floor) -> None:
    made = await floor.requested()
    await floor.hear(
        WorkUnroutable(
            ticket_id=floor.ticket_id, waited_s=0, missing=("tier",), kind="handoff", handoff_id=UUID(made["id"])
        )
    )
    await floor.dequeue(made["id"], "declined")
    assert (await floor.last("declined")).reason_code == "nobody_left"


async def test_it_expires_by_itself(floor: Floor) -> None:
    made = await floor.requested()
    floor.escalation.clock.move(timedelta(hours=2))
    assert await floor.escalation.fire_due() == 1
    assert await floor.told() == ["handoff.requested", "handoff.recalled"]
    await floor.dequeue(made["id"], "expired")
    assert (await floor.look(made["id"]))["state"] == "expired"
    assert (await floor.told())[-1] == "handoff.expired"
    assert (await floor.request()).status_code == 201, "another one may follow"


@pytest.mark.parametrize("status", ["resolved", "closed", "cancelled", "merged"])
@pytest.mark.parametrize("routing_first", [True, False])
async def test_the_tickets_end_withdraws_it(floor: Floor, status: str, routing_first: bool) -> None:
    """Whatever topic is heard first."""
    made = await floor.requested()
    over = TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new=status)
    if routing_first:
        await floor.dequeue(made["id"], status)
        await floor.hear(over)
    else:
        await floor.hear(over)
        await floor.dequeue(made["id"], status)
    assert (await floor.last("withdrawn")).reason == status
    assert (await floor.look(made["id"]))["state"] == "withdrawn"
    assert (await floor.told()).count("handoff.withdrawn") == 1


async def test_another_owner_withdraws_it_and_the_same_one_does_not(floor: Floor) -> None:
    made = await floor.requested()
    await floor.escalation.own(floor.ticket_id, floor.owner)
    assert (await floor.look(made["id"]))["ending"] == ""
    await floor.escalation.own(floor.ticket_id, floor.seniors[1])
    await floor.dequeue(made["id"], "withdrawn")
    assert (await floor.last("withdrawn")).reason == "reassigned"


async def test_it_stays_open_when_its_sender_leaves(floor: Floor) -> None:
    made = await floor.requested()
    assignment = (await floor.escalation.sql("select assignment_id from ticket"))[0].assignment_id
    left = AssignmentUnassigned(
        ticket_id=floor.ticket_id, assignment_id=assignment, agent_id=floor.owner, reason="agent_left"
    )
    await floor.hear(left)
    assert (await floor.look(made["id"]))["state"] == "requested"
    await floor.accept(made["id"], floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "accepted"


async def test_whoever_is_given_the_ticket_of_a_sender_who_left_needs_no_handoff(floor: Floor) -> None:
    made = await floor.requested()
    assignment = (await floor.escalation.sql("select assignment_id from ticket"))[0].assignment_id
    left = AssignmentUnassigned(
        ticket_id=floor.ticket_id, assignment_id=assignment, agent_id=floor.owner, reason="agent_left"
    )
    await floor.hear(left)
    await floor.escalation.own(floor.ticket_id, floor.seniors[1])
    await floor.dequeue(made["id"], "withdrawn")
    assert (await floor.last("withdrawn")).reason == "sender_left"


async def test_it_is_completed_when_its_receiver_resolves_the_ticket(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.seniors[0])
    )
    assert (await floor.look(made["id"]))["state"] == "completed"
    assert await floor.told() == ["handoff.requested", "handoff.accepted", "handoff.completed"]


async def test_a_resolution_that_overtakes_the_acceptance_completes_it_too(floor: Floor) -> None:
    made = await floor.requested()
    resolved = TicketResolved(
        ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.seniors[0]
    )
    await floor.hear(TicketStatusChanged(ticket_id=floor.ticket_id, old="open", new="resolved"), resolved)
    await floor.accept(made["id"], floor.seniors[0])
    assert (await floor.look(made["id"]))["state"] == "completed"
    assert [name for name in await floor.told() if name != "handoff.recalled"] == [
        "handoff.requested",
        "handoff.accepted",
        "handoff.completed",
    ]


async def test_somebody_elses_resolution_completes_nothing(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.owner)
    )
    assert (await floor.look(made["id"]))["state"] == "accepted"
    by_hand = await floor.command(made["id"], "complete", by=floor.seniors[0])
    assert by_hand.json()["state"] == "completed"
    again = await floor.command(made["id"], "complete", by=floor.seniors[0])
    assert again.status_code == 200
    assert (await floor.told()).count("handoff.completed") == 1


async def test_a_return_is_a_handoff_back_to_its_sender(floor: Floor) -> None:
    made = await floor.requested()
    senior = floor.seniors[0]
    early = await floor.command(made["id"], "return", {"reason_code": "other", "findings": "x"}, by=senior)
    assert (early.status_code, early.json()["code"]) == (409, "handoff_state")
    await floor.accept(made["id"], senior)
    body = {
        "reason_code": "advice_given",
        "findings": "Renew the certificate.",
        "teaching_note": "Look at dates first.",
    }
    assert (await floor.command(made["id"], "return", body, by=floor.owner)).status_code == 403
    answer = await floor.command(made["id"], "return", body, by=senior)
    assert answer.status_code == 200, answer.text
    returned = answer.json()
    assert (returned["state"], returned["return_reason"]) == ("returned", "advice_given")
    told = await floor.last("returned")
    assert told.has_teaching_note
    assert str(told.return_handoff_id) == returned["returned_by"]
    back = await floor.look(returned["returned_by"])
    assert back["from_agent_id"] == str(senior)
    assert back["to_agent_id"] == str(floor.owner)
    assert not back["only_agent"]
    assert back["tier_required"] == 1
    assert back["return_of"] == made["id"]
    assert back["package"]["ask"] == "Renew the certificate."
    await floor.accept(back["id"], floor.owner, tier=1)
    assert (await floor.look(back["id"]))["state"] == "accepted"
    await floor.hear(
        TicketResolved(ticket_id=floor.ticket_id, resolution_seq=1, resolution_code="fixed", owner_id=floor.owner)
    )
    assert (await floor.look(back["id"]))["state"] == "completed"
    assert (await floor.look(made["id"]))["state"] == "returned"


async def test_a_return_to_somebody_who_left_asks_their_tier(floor: Floor) -> None:
    made = await floor.requested()
    await floor.accept(made["id"], floor.seniors[0])
    await floor.escalation.tell(floor.owner, AgentDeactivated(agent_id=floor.owner))
    answer = await floor.command(
        made["id"], "return", {"reason_code": "part_done", "findings": "x"}, by=floor.seniors[0]
    )
    back = await floor.look(answer.json()["returned_by"])
    assert back["to_agent_id"] is None
    assert back["tier_required"] == 1


async def test_answers_are_only_for_whom_it_is_offered_to(floor: Floor) -> None:
    """And where routing cannot be reached, the caller is told to repeat."""
    made = await floor.requested()
    senior, other = floor.seniors[:2]
    path = f"/v1/handoffs/{made['id']}"
    early = await floor.post(f"{path}/accept", by=senior)
    assert (early.status_code, early.json()["code"]) == (409, "not_offered")
    await floor.offer(made["id"], senior)
    wrong = await floor.post(f"{path}/decline", {"reason_code": "busy"}, by=other)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "not_offered")
    away = await floor.post(f"{path}/accept", by=senior)
    assert away.status_code == 503
    assert away.headers["retry-after"]
    await floor.accept(made["id"], senior)
    assert (await floor.post(f"{path}/accept", by=senior)).status_code == 200, "a repeat"
    late = await floor.post(f"{path}/accept", by=other)
    assert (late.status_code, late.json()["code"]) == (409, "handoff_accepted")


async def test_lists_by_agent_ticket_and_state_page_by_page(floor: Floor) -> None:
    ids: list[str] = []
    for _ in range(3):
        made = await floor.requested()
        ids.insert(0, made["id"])
        await floor.dequeue(made["id"], "withdrawn")
    made = await floor.requested()
    ids.insert(0, made["id"])
    await floor.accept(made["id"], floor.seniors[0])
    http = floor.escalation.http

    async def pages(path: str, **query: Any) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            asked = {**query, "limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await http.get(path, params=asked)).json()
            found += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    assert await pages("/v1/handoffs") == ids
    assert await pages("/v1/handoffs", **{"from": str(floor.owner)}) == ids
    assert await pages("/v1/handoffs", to=str(floor.seniors[0])) == ids[:1]
    assert await pages("/v1/handoffs", state="declined") == ids[1:]
    assert await pages("/v1/handoffs", ticket=str(new_id())) == []
    assert await pages(f"/v1/tickets/{floor.ticket_id}/handoffs") == ids


async def test_a_replayed_batch_changes_nothing(floor: Floor) -> None:
    """After a rollback the consumer gives the same events again, and a fold meets its own result."""
    made = await floor.requested()
    senior = floor.seniors[0]
    event = floor.escalation.event(
        floor.ticket_id,
        AssignmentAssigned(
            ticket_id=floor.ticket_id,
            assignment_id=new_id(),
            agent_id=senior,
            agent_tier=3,
            method="handoff",
            weight=2,
            kind="handoff",
            handoff_id=UUID(made["id"]),
        ),
    )
    await floor.escalation.apply(event)
    before = await floor.look(made["id"])
    await floor.escalation.apply(event)
    assert await floor.look(made["id"]) == before
    assert (await floor.told()).count("handoff.accepted") == 1
