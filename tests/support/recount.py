"""An independent recount of every figure, from the raw records of the four topics and docs/figures.md alone.

It knows no code of the services and none of the contracts: record headers and JSON, read from the beginning of each
topic. `tests.support.figures` holds what the API says against it.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any

from aiokafka import AIOKafkaConsumer

MILLION = 1_000_000
TIMES = ("first_response_time", "time_to_own", "resolution_time")
RATES = (
    "resolution_rate",
    "resolution_rate_cohort",
    "reopen_rate",
    "sla_attainment",
    "csat",
    "answer_rate",
    "handoff_bounce_rate",
)
SLICES = ("queue", "tier", "category", "priority", "agent")
_POLL_MS = 500


@dataclass(frozen=True, kw_only=True)
class Told:
    """One event of a ticket: its type without "support." and ".v1", its moment and its body."""

    type: str
    at: datetime
    data: dict[str, Any]


Stream = Sequence[Told]
"""What one topic says of one ticket, repeats dropped."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One thing that counts. Fields are as the evidence of the API names them; `parts` are millionths."""

    figure: str
    ticket: str
    key: str
    at: datetime
    numerator: bool
    denominator: bool
    parts: int
    microseconds: int | None
    queue: str | None
    tier: int | None
    category: str
    priority: str
    agent: str | None
    clock: str | None

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it one and the same."""
        return (self.figure, self.ticket, self.key)

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Where it stands in the evidence."""
        return (self.at, self.ticket, self.key)


async def read_streams(bootstrap: str, topics: Mapping[str, str]) -> dict[str, dict[str, list[Told]]]:
    """Every ticket's stream in every topic, up to the topics' present ends.

    Args:
        topics: the topic's name by the service that publishes it.
    Returns:
        By service and the ticket's id.
    Raises:
        AssertionError: an event is missing in a stream.
    """
    return {service: await _read(bootstrap, topic) for service, topic in topics.items()}


async def _read(bootstrap: str, topic: str) -> dict[str, list[Told]]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    streams: dict[str, list[Told]] = defaultdict(list)
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    kind, _, ticket = headers["ce_subject"].partition("/")
                    if kind == "ticket":
                        add_record(streams[ticket], headers, record.value)
    finally:
        await consumer.stop()
    return streams


def add_record(stream: list[Told], headers: Mapping[str, str], value: bytes | None) -> None:
    """Append the next event of a stream, whose number counts from 1 without gaps: one that came already is a repeat."""
    seq, due = int(headers["ce_subjectseq"]), len(stream) + 1
    assert seq <= due, f"{headers['ce_source']} {headers['ce_subject']}: {seq} follows {due - 1}"
    if seq == due:
        stream.append(_told(headers, value))


def _told(headers: Mapping[str, str], value: bytes | None) -> Told:
    assert value is not None, "an event has a body"
    return Told(
        type=headers["ce_type"].removeprefix("support.").removesuffix(".v1"),
        at=moment_of(headers["ce_time"]),
        data=json.loads(value),
    )


def recount(streams: Mapping[str, Mapping[str, Stream]]) -> list[Counted]:
    """Everything that counts, of every ticket, in the order of the evidence.

    Args:
        streams: by service and the ticket's id.
    """
    tickets = sorted({ticket for by_ticket in streams.values() for ticket in by_ticket})
    counted: list[Counted] = []
    for ticket in tickets:
        intake, routing, escalation, feedback = (
            streams.get(service, {}).get(ticket, ()) for service in ("intake", "routing", "escalation", "feedback")
        )
        counted += _Ticket(ticket, intake=intake, routing=routing, escalation=escalation, feedback=feedback).counted()
    return sorted(counted, key=lambda each: (each.figure, each.order))


class _Ticket:
    """Section 2 and 3 of docs/figures.md for one ticket."""

    def __init__(self, ticket: str, *, intake: Stream, routing: Stream, escalation: Stream, feedback: Stream) -> None:
        self.ticket = ticket
        self.intake, self.routing, self.escalation, self.feedback = intake, routing, escalation, feedback
        self.created = next(iter(_of(intake, "ticket.created")), None)
        self.resolved = _of(intake, "ticket.resolved")
        self.assigned = _of(routing, "assignment.assigned")
        own = [told.data for told in _of(routing, "work.enqueued") if told.data.get("kind", "own") == "own"]
        self.queue: str | None = own[-1]["queue_id"] if own else None
        self.category = ""
        self.priority = ""
        for told in intake:
            if told.type in ("ticket.created", "ticket.classified"):
                self.category = told.data.get("category", "")
            if told.type == "ticket.created":
                self.priority = told.data["priority"]
            if told.type == "ticket.priority_changed":
                self.priority = told.data["to"]

    def counted(self) -> Iterator[Counted]:
        yield from self.durations()
        yield from self.resolutions()
        yield from self.verdicts()
        yield from self.surveys()
        yield from self.handoffs()

    def one(
        self,
        figure: str,
        key: str,
        at: datetime,
        agent: str | None,
        *,
        numerator: bool,
        denominator: bool,
        parts: int = MILLION,
        microseconds: int | None = None,
        clock: str | None = None,
        tier: int | None = None,
    ) -> Counted:
        tiers = [told.data["agent_tier"] for told in self.assigned if told.data["agent_id"] == agent]
        return Counted(
            figure=figure,
            ticket=self.ticket,
            key=key,
            at=at,
            numerator=numerator,
            denominator=denominator,
            parts=parts,
            microseconds=microseconds,
            queue=self.queue,
            tier=tier or (tiers[-1] if tiers else None),
            category=self.category,
            priority=self.priority,
            agent=agent,
            clock=clock,
        )

    def durations(self) -> Iterator[Counted]:
        if self.created is None:
            return
        came = self.created.at

        def lasted(figure: str, since: datetime, until: datetime, agent: str | None) -> Counted:
            took = max(timedelta(), until - since) // timedelta(microseconds=1)
            return self.one(figure, "", until, agent, numerator=False, denominator=True, microseconds=took)

        messages = _of(self.intake, "message.added")
        asked: datetime | None = came
        if self.created.data.get("proactive"):
            first = next((place for place, told in enumerate(messages) if told.data["direction"] == "inbound"), None)
            asked = None if first is None else messages[first].at
            messages = [] if first is None else messages[first:]
        for told in messages:
            says = told.data
            if says["direction"] == "outbound" and says["author_type"] == "agent" and says["counts_as_response"]:
                assert asked is not None
                yield lasted("first_response_time", asked, told.at, says.get("author_id"))
                break
        if self.assigned:
            yield lasted("time_to_own", came, self.assigned[0].at, self.assigned[0].data["agent_id"])
        standing = self.standing()
        if standing:
            yield lasted("resolution_time", came, standing.at, standing.data.get("owner_id"))

    def standing(self) -> Told | None:
        moves = [told for told in self.intake if told.type in ("ticket.resolved", "ticket.reopened")]
        return moves[-1] if moves and moves[-1].type == "ticket.resolved" else None

    def resolutions(self) -> Iterator[Counted]:
        agent = self.assigned[-1].data["agent_id"] if self.assigned else None
        standing = self.standing()
        if self.created:
            at, done = self.created.at, standing is not None
            yield self.one("resolution_rate", "created", at, agent, numerator=False, denominator=True)
            yield self.one("resolution_rate_cohort", "", at, agent, numerator=done, denominator=True)
        if standing:
            yield self.one("resolution_rate", "resolved", standing.at, agent, numerator=True, denominator=False)
        moves = [told for told in self.intake if told.type in ("ticket.resolved", "ticket.reopened")]
        for told, after in zip_longest(moves, moves[1:]):
            if told.type == "ticket.resolved":
                reopened = after is not None and after.type == "ticket.reopened"
                key, owner = str(told.data["resolution_seq"]), told.data.get("owner_id")
                yield self.one("reopen_rate", key, told.at, owner, numerator=reopened, denominator=True)

    def owner_at(self, moment: datetime) -> str | None:
        ends = {told.data["assignment_id"]: told.at for told in reversed(_of(self.routing, "assignment.unassigned"))}
        latest: Told | None = None
        for told in self.assigned:
            if told.at <= moment and (latest is None or told.at >= latest.at):
                latest = told
        if latest is None:
            return None
        end = ends.get(latest.data["assignment_id"])
        return None if end is not None and end < moment else latest.data["agent_id"]

    def verdicts(self) -> Iterator[Counted]:
        standing: dict[tuple[str, int], Told] = {}
        for told in self.escalation:
            if told.type in ("sla.met", "sla.breached"):
                standing[told.data["clock_id"], told.data["cycle"]] = told
            if told.type in ("sla.met_withdrawn", "sla.breach_withdrawn"):
                clock = (told.data["clock_id"], told.data["cycle"])
                taken = "sla.met" if told.type == "sla.met_withdrawn" else "sla.breached"
                if clock in standing and standing[clock].type == taken:
                    del standing[clock]
        for (clock_id, cycle), told in standing.items():
            met = told.type == "sla.met"
            by_policy = not met and told.data.get("cause") == "policy_change"
            at = moment_of(told.data["at"])
            yield self.one(
                "sla_attainment",
                f"{clock_id}:{cycle}",
                at,
                self.owner_at(at),
                numerator=met,
                denominator=not by_policy,
                clock=told.data["kind"],
            )

    def surveys(self) -> Iterator[Counted]:
        answers: dict[str, list[Told]] = defaultdict(list)
        for told in self.feedback:
            if told.type in ("survey.responded", "survey.amended"):
                answers[told.data["survey_id"]].append(told)
        owners = {told.data["resolution_seq"]: told.data.get("owner_id") for told in reversed(self.resolved)}
        sent: set[str] = set()
        for told in _of(self.feedback, "survey.sent"):
            survey = told.data["survey_id"]
            if survey not in sent:
                sent.add(survey)
                owner = owners.get(told.data["resolution_seq"])
                answered = survey in answers
                yield self.one("answer_rate", survey, told.at, owner, numerator=answered, denominator=True)
        for survey, given in answers.items():
            stands = max(enumerate(given), key=lambda pair: (pair[1].data["version"], pair[0]))[1].data
            if stands["kind"] not in ("csat_5", "thumbs"):
                continue
            for agent, parts in _shares(stands["attribution"]).items():
                key = f"{survey}:{agent}" if agent else survey
                positive = stands["is_positive"]
                yield self.one("csat", key, given[0].at, agent, numerator=positive, denominator=True, parts=parts)

    def handoffs(self) -> Iterator[Counted]:
        returned = {told.data["handoff_id"] for told in _of(self.escalation, "handoff.returned")}
        gives_back = {
            told.data["handoff_id"]: bool(told.data.get("return_of"))
            for told in _of(self.escalation, "handoff.requested")
        }
        for told in _of(self.escalation, "handoff.accepted"):
            handoff = told.data["handoff_id"]
            if not gives_back.get(handoff, True):
                yield self.one(
                    "handoff_bounce_rate",
                    handoff,
                    told.at,
                    told.data["agent_id"],
                    numerator=handoff in returned,
                    denominator=True,
                    tier=told.data["agent_tier"],
                )


def _shares(attribution: Sequence[Mapping[str, Any]]) -> dict[str | None, int]:
    if not attribution:
        return {None: MILLION}
    parts: dict[str | None, int] = defaultdict(int)
    for each in attribution:
        parts[each["agent_id"]] += round(each["share"] * MILLION)
    parts[attribution[0]["agent_id"]] += MILLION - sum(parts.values())
    return parts


def figure_of(figure: str, counted: Iterable[Counted]) -> dict[str, float | None]:
    """The numbers of a figure, under the names of the API."""
    listed = list(counted)
    if figure in TIMES:
        durations = sorted(each.microseconds for each in listed if each.microseconds is not None)
        n = len(durations)
        if not n:
            return {"count": 0, "mean_s": None, "p50_s": None, "p90_s": None}
        mean = (2 * sum(durations) + n) // (2 * n)
        ranked = [durations[-(-n * percent // 100) - 1] for percent in (50, 90)]
        return {
            "count": n,
            "mean_s": mean / MILLION,
            "p50_s": ranked[0] / MILLION,
            "p90_s": ranked[1] / MILLION,
        }
    numerator = sum(each.parts for each in listed if each.numerator)
    denominator = sum(each.parts for each in listed if each.denominator)
    apart = sum(each.parts for each in listed if not each.numerator and not each.denominator)
    return {
        "numerator": numerator / MILLION,
        "denominator": denominator / MILLION,
        "rate": numerator / denominator if denominator else None,
        "apart": apart / MILLION,
    }


def _of(stream: Stream, kind: str) -> list[Told]:
    return [told for told in stream if told.type == kind]


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text)
