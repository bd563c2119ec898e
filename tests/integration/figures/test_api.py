"""The routes of the figures: a small floor counted by hand, periods, slices, pages and refusals."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from common.ids import new_id
from contracts.envelope import Event
from contracts.escalation import HandoffAccepted, HandoffRequested, HandoffReturned, SlaBreached, SlaMet
from contracts.feedback import Share, SurveyAmended, SurveyResponded, SurveySent
from contracts.intake import MessageAdded, TicketCreated, TicketReopened, TicketResolved
from contracts.registry import EVENT_TYPES, Body, encode_body
from contracts.routing import AssignmentAssigned, AssignmentUnassigned, WorkEnqueued
from contracts.words import Source
from feedback.metadata import METADATA
from tests.integration.figures.conftest import Figures

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA, BEN, DESK = UUID(int=1), UUID(int=2), UUID(int=3)
PERIOD = {"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T13:00:00Z"}
_TABLES = ("ownership_interval", "ticket_facts", "observation")


@dataclass(kw_only=True)
class Floor:
    """Tickets told by hand: `say` applies one event at a number of seconds after noon."""

    figures: Figures
    seqs: dict[tuple[str, UUID], int] = field(default_factory=dict[tuple[str, UUID], int])

    async def say(self, body: Body, at_s: float) -> None:
        """One event of the service that publishes its type."""
        service, ticket_id = EVENT_TYPES[body.event_type].producer, UUID(str(getattr(body, "ticket_id", "")))
        self.seqs[service, ticket_id] = self.seqs.get((service, ticket_id), 0) + 1
        event = Event(
            id=new_id(),
            source=f"/frontline/test/{service}",
            type=body.event_type,
            subject=f"ticket/{ticket_id}",
            seq=self.seqs[service, ticket_id],
            time=NOON + timedelta(seconds=at_s),
            data=encode_body(body),
        )
        await self.figures.apply(event)

    async def open(self, at_s: float, **given: Any) -> UUID:
        """A new ticket."""
        ticket_id = new_id()
        values: dict[str, Any] = {
            "number": 1,
            "source": Source(channel="web"),
            "requester_id": new_id(),
            "impact": 3,
            "urgency": 3,
            "priority": "normal",
        }
        await self.say(TicketCreated(ticket_id=ticket_id, **{**values, **given}), at_s)
        return ticket_id

    async def assign(self, ticket_id: UUID, agent_id: UUID, at_s: float, *, tier: int = 1) -> UUID:
        """Somebody owns it."""
        assignment_id = new_id()
        taken = AssignmentAssigned(
            ticket_id=ticket_id,
            assignment_id=assignment_id,
            agent_id=agent_id,
            agent_tier=tier,
            method="auto",
            weight=2,
        )
        await self.say(taken, at_s)
        return assignment_id

    async def reply(self, ticket_id: UUID, agent_id: UUID | None, at_s: float, **given: Any) -> None:
        """A public message of an agent, unless said otherwise."""
        values: dict[str, Any] = {
            "direction": "outbound",
            "author_type": "agent",
            "author_id": agent_id,
            "channel": "web",
            "counts_as_response": True,
            "awaits_customer": False,
            "ack_only": False,
        }
        await self.say(MessageAdded(ticket_id=ticket_id, message_id=new_id(), **{**values, **given}), at_s)

    async def resolve(self, ticket_id: UUID, owner_id: UUID, at_s: float, *, seq: int = 1) -> None:
        """It is solved."""
        resolved = TicketResolved(ticket_id=ticket_id, resolution_seq=seq, resolution_code="fixed", owner_id=owner_id)
        await self.say(resolved, at_s)


@pytest.fixture
def floor(figures: Figures) -> Floor:
    """An empty floor."""
    figures.clock.move(NOON + timedelta(hours=1) - figures.clock.now())
    return Floor(figures=figures)


async def test_durations_counted_by_hand(floor: Floor) -> None:
    for number, seconds in enumerate((10, 20, 30, 40, 100.5)):
        ticket_id = await floor.open(number)
        await floor.reply(ticket_id, None, number + 1, author_type="automation")
        await floor.reply(ticket_id, ADA, number + 2, counts_as_response=False)
        await floor.reply(ticket_id, ADA, number + seconds)
        await floor.reply(ticket_id, BEN, number + seconds + 1)
    shown = await floor.figures.get("/v1/kpis/first_response_time", **PERIOD, by="agent")
    numbers = {"count": 5, "mean_s": 40.1, "p50_s": 30, "p90_s": 100.5}
    assert {name: shown["total"][name] for name in numbers} == numbers
    assert [(each["value"], each["count"]) for each in shown["values"]] == [(str(ADA), 5)]
    assert (shown["from"], shown["to"], shown["unit"]) == (PERIOD["from"], PERIOD["to"], "seconds")


async def test_a_proactive_ticket_is_answered_when_the_customer_wrote(floor: Floor) -> None:
    ticket_id = await floor.open(0, proactive=True)
    await floor.reply(ticket_id, ADA, 5)
    await floor.reply(ticket_id, None, 60, direction="inbound", author_type="requester", counts_as_response=False)
    await floor.reply(ticket_id, BEN, 90)
    shown = await floor.figures.get("/v1/kpis/first_response_time/evidence", **PERIOD)
    assert [(each["seconds"], each["agent"]) for each in shown["items"]] == [(30, str(BEN))]


async def test_a_period_holds_its_beginning_and_not_its_end(floor: Floor) -> None:
    for at_s in (-0.000001, 0, 3599.999999, 3600):
        await floor.open(at_s)
    shown = await floor.figures.get("/v1/kpis/resolution_rate", **PERIOD)
    assert shown["total"]["denominator"] == 2


async def test_without_a_period_the_last_thirty_days_count(floor: Floor) -> None:
    await floor.open(0)
    shown = await floor.figures.get("/v1/kpis")
    assert [each["definition"] for each in shown["items"]][:2] == ["first_response_time", "time_to_own"]
    assert {(each["from"], each["to"]) for each in shown["items"]} == {("2026-01-31T13:00:00Z", "2026-03-02T13:00:00Z")}
    rates = {each["definition"]: each["total"] for each in shown["items"]}
    assert (rates["resolution_rate"]["denominator"], rates["resolution_rate"]["rate"]) == (1, 0)
    assert rates["csat"]["rate"] is None


async def test_a_reopened_resolution_stands_no_more(floor: Floor) -> None:
    ticket_id = await floor.open(0)
    await floor.assign(ticket_id, ADA, 1)
    await floor.resolve(ticket_id, ADA, 100)
    shown = await floor.figures.get("/v1/kpis/resolution_rate", **PERIOD)
    assert (shown["total"]["numerator"], shown["total"]["denominator"]) == (1, 1)
    await floor.say(TicketReopened(ticket_id=ticket_id, reopen_count=1, trigger="message", since_resolved_s=100), 200)
    assert (await floor.figures.get("/v1/kpis/resolution_time", **PERIOD))["total"]["count"] == 0
    await floor.resolve(ticket_id, BEN, 300, seq=2)
    shown = await floor.figures.get("/v1/kpis/resolution_time/evidence", **PERIOD)
    assert [(each["seconds"], each["agent"]) for each in shown["items"]] == [(300, str(BEN))]
    shown = await floor.figures.get("/v1/kpis/reopen_rate", **PERIOD, by="agent")
    assert shown["total"]["rate"] == 0.5
    assert [(each["value"], each["rate"]) for each in shown["values"]] == [(str(ADA), 1), (str(BEN), 0)]
    shown = await floor.figures.get("/v1/kpis/resolution_rate/evidence", **PERIOD)
    assert [(each["key"], each["in_numerator"], each["in_denominator"]) for each in shown["items"]] == [
        ("created", False, True),
        ("resolved", True, False),
    ]


async def test_breaches_by_a_change_of_policy_stand_apart(floor: Floor) -> None:
    ticket_id = await floor.open(0)
    judged = {"consumed_s": 1, "target_s": 2, "policy_id": new_id(), "policy_version": 1, "cycle": 1}
    first = await floor.assign(ticket_id, ADA, 1)

    async def judge(body: type[SlaMet] | type[SlaBreached], kind: str, at_s: float, **given: Any) -> None:
        at = NOON + timedelta(seconds=at_s)
        await floor.say(body(ticket_id=ticket_id, clock_id=new_id(), kind=kind, at=at, **judged, **given), at_s)

    await judge(SlaMet, "first_response", 0.5)
    await judge(SlaBreached, "resolution", 10, cause="policy_change")
    await floor.assign(ticket_id, BEN, 20, tier=2)
    await floor.say(AssignmentUnassigned(ticket_id=ticket_id, assignment_id=first, agent_id=ADA, reason="handoff"), 20)
    await judge(SlaBreached, "next_response", 20)
    shown = await floor.figures.get("/v1/kpis/sla_attainment", **PERIOD, by="clock")
    assert {name: shown["total"][name] for name in ("numerator", "denominator", "rate", "apart")} == {
        "numerator": 1,
        "denominator": 2,
        "rate": 0.5,
        "apart": 1,
    }
    assert [each["value"] for each in shown["values"]] == ["first_response", "next_response", "resolution"]
    shown = await floor.figures.get("/v1/kpis/sla_attainment/evidence", **PERIOD)
    assert [(each["agent"], each["tier"], each["clock"]) for each in shown["items"]] == [
        (None, None, "first_response"),
        (str(ADA), 1, "resolution"),
        (str(BEN), 2, "next_response"),
    ]


async def test_an_amended_answer_counts_as_amended_and_is_shared_among_its_owners(floor: Floor) -> None:
    ticket_id, survey_id = await floor.open(0), new_id()
    names: dict[str, Any] = {
        "ticket_id": ticket_id,
        "survey_id": survey_id,
        "kind": "csat_5",
        "resolution_seq": 1,
        "requester_id": new_id(),
    }
    answer: dict[str, Any] = {
        "scale_min": 1,
        "scale_max": 5,
        "normalised": 0.5,
        "reasons": (),
        "has_comment": False,
        "reopen_consent": False,
        "attribution": (Share(agent_id=ADA, share=0.75), Share(agent_id=BEN, share=0.25)),
    }
    await floor.assign(ticket_id, ADA, 1)
    await floor.resolve(ticket_id, ADA, 10)
    await floor.say(SurveySent(**names, message_id=new_id(), expires_at=NOON), 20)
    assert (await floor.figures.get("/v1/kpis/answer_rate", **PERIOD))["total"]["rate"] == 0
    await floor.say(SurveyResponded(**names, **answer, version=1, score=5, is_positive=True), 30)
    assert (await floor.figures.get("/v1/kpis/csat", **PERIOD))["total"]["rate"] == 1
    await floor.say(SurveyAmended(**names, **answer, version=2, score=2, is_positive=False), 40)
    shown = await floor.figures.get("/v1/kpis/csat", **PERIOD, by="agent")
    assert (shown["total"]["numerator"], shown["total"]["denominator"], shown["total"]["rate"]) == (0, 1, 0)
    assert [(each["value"], each["denominator"]) for each in shown["values"]] == [(str(ADA), 0.75), (str(BEN), 0.25)]
    shown = await floor.figures.get("/v1/kpis/answer_rate", **PERIOD, by="agent")
    assert [(each["value"], each["rate"]) for each in shown["values"]] == [(str(ADA), 1)]


async def test_a_return_is_a_bounce_and_no_handoff(floor: Floor) -> None:
    ticket_id = await floor.open(0)

    async def hand_over(giver: UUID, taker: UUID, at_s: float, *, return_of: UUID | None = None) -> UUID:
        names: dict[str, Any] = {"ticket_id": ticket_id, "handoff_id": new_id(), "from_agent_id": giver}
        requested = HandoffRequested(
            **names,
            tier_required=2,
            reason_code="needs_expertise",
            completeness=1.0,
            emergency=False,
            deadline=NOON,
            expires_at=NOON,
            return_of=return_of,
        )
        await floor.say(requested, at_s)
        await floor.say(HandoffAccepted(**names, agent_id=taker, assignment_id=new_id(), agent_tier=2), at_s + 1)
        return names["handoff_id"]

    kept = await hand_over(ADA, BEN, 10)
    given_back = await hand_over(ADA, BEN, 20)
    returning = await hand_over(BEN, ADA, 30, return_of=given_back)
    returned = HandoffReturned(
        ticket_id=ticket_id,
        handoff_id=given_back,
        from_agent_id=ADA,
        agent_id=BEN,
        reason_code="wrong_skill",
        return_handoff_id=returning,
        has_teaching_note=False,
    )
    await floor.say(returned, 30)
    shown = await floor.figures.get("/v1/kpis/handoff_bounce_rate/evidence", **PERIOD, agent=str(BEN), tier=2)
    assert [(each["key"], each["in_numerator"]) for each in shown["items"]] == [
        (str(kept), False),
        (str(given_back), True),
    ]


async def test_a_ticket_moves_whole_between_desks(floor: Floor) -> None:
    ticket_id = await floor.open(0, category="sync")
    asked: dict[str, Any] = {
        "ticket_id": ticket_id,
        "weight": 1,
        "skills": (),
        "tier_required": 1,
        "cause": "new",
        "enqueued_at": NOON,
        "deadline": NOON,
    }
    shown = await floor.figures.get("/v1/kpis/resolution_rate", **PERIOD, by="queue")
    assert [each["value"] for each in shown["values"]] == [None]
    await floor.say(WorkEnqueued(**asked, queue_id=new_id()), 1)
    await floor.say(WorkEnqueued(**asked, queue_id=DESK), 2)
    await floor.say(WorkEnqueued(**asked, queue_id=new_id(), kind="handoff"), 3)
    shown = await floor.figures.get("/v1/kpis/resolution_rate", **PERIOD, by="queue", category="sync")
    assert [each["value"] for each in shown["values"]] == [str(DESK)]
    assert (await floor.figures.get("/v1/kpis/resolution_rate", **PERIOD, queue="none"))["total"]["denominator"] == 0


async def test_pages_of_evidence_follow_each_other(floor: Floor) -> None:
    opened = [str(await floor.open(at_s // 2)) for at_s in range(7)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await floor.figures.get("/v1/kpis/resolution_rate_cohort/evidence", **PERIOD, limit=2, **cursor)
        seen += [each["ticket_id"] for each in page["items"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert not cursor
    assert sorted(seen) == sorted(opened)


async def test_an_agents_figures(floor: Floor) -> None:
    for agent_id in (ADA, BEN):
        await floor.assign(await floor.open(0), agent_id, 7)
    shown = await floor.figures.get(f"/v1/agents/{ADA}/kpis", **PERIOD)
    totals = {each["definition"]: each["total"] for each in shown["items"]}
    assert (totals["time_to_own"]["count"], totals["time_to_own"]["p90_s"]) == (1, 7)
    shown = await floor.figures.get(f"/v1/agents/{new_id()}/kpis", **PERIOD)
    assert {each["total"]["count"] for each in shown["items"]} == {0, None}


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("/v1/kpis/nothing", {}, 404, "definition_unknown"),
        ("/v1/kpis/nothing/evidence", {}, 404, "definition_unknown"),
        ("/v1/kpis/csat", {"from": "2026-03-02T12:00:00Z", "to": "2026-03-02T12:00:00Z"}, 400, "period_malformed"),
        ("/v1/kpis/csat", {"to": "1969-01-01T00:00:00Z"}, 400, "period_malformed"),
        ("/v1/kpis/csat", {"from": "9999-12-31T00:00:00-12:00"}, 400, "period_malformed"),
        ("/v1/kpis/csat", {"from": "2026-03-02T12:00:00"}, 400, "invalid_input"),
        ("/v1/kpis/csat", {"to": "658201087554"}, 400, "invalid_input"),
        ("/v1/kpis/csat", {"by": "clock"}, 400, "slice_unknown"),
        ("/v1/kpis/csat", {"clock": "resolution"}, 400, "slice_unknown"),
        ("/v1/kpis/csat", {"by": "colour"}, 400, "invalid_input"),
        ("/v1/kpis/csat", {"agnet": "none"}, 400, "unknown_parameter"),
        ("/v1/kpis/csat/evidence", {"cursor": "x"}, 400, "cursor_malformed"),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    figures: Figures, path: str, query: dict[str, str], status: int, code: str
) -> None:
    answer = await figures.http.get(path, params=query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_migration_makes_the_declared_tables(figures: Figures) -> None:
    def compare(connection: Connection) -> list[Any]:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
        return [difference for difference in found if any(name in str(difference) for name in _TABLES)]

    async with figures.database.read() as connection:
        assert await connection.run_sync(compare) == []
