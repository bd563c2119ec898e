"""What counts: from a ticket's facts to its observations. A pure function; `docs/figures.md` says the same in words.

Desk, category and priority are the ticket's, as it stands now, and the same in all of its observations: so numerator
and denominator of a rate always fall into the same slice. Agent and tier are those of the observed deed.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from feedback.figures.domain import WHOLE, Observation
from feedback.figures.facts import Facts, Handoff, Part, Resolution, Survey
from feedback.ownership.domain import owner_at

RULE_VERSION = 1
"""Raise it with every change of what this module makes of the same facts: all tickets are then observed anew."""

_SATISFACTION = frozenset({"csat_5", "thumbs"})
"""Kinds of surveys that ask for satisfaction; nps_11 and ces_7 ask for something else."""
_MICROSECOND = timedelta(microseconds=1)


def observe(ticket_id: UUID, facts: Facts) -> list[Observation]:
    """Everything that counts of one ticket, each once."""
    ticket = _Ticket(ticket_id, facts)
    return [
        *ticket.times(),
        *ticket.rates(),
        *ticket.clocks(),
        *ticket.surveys(),
        *ticket.handoffs(),
    ]


class _Ticket:
    """One ticket while it is observed."""

    def __init__(self, ticket_id: UUID, facts: Facts) -> None:
        self._id = ticket_id
        self._case, self._work = facts.case, facts.work
        self._told = facts.clocks
        self._surveys = facts.surveys
        # Of several assignments to one agent the last counts.
        self._tiers: dict[UUID | None, int] = {each.agent_id: each.agent_tier for each in facts.work.owners}

    def times(self) -> Iterator[Observation]:
        """The durations: each at its end."""
        case, owners = self._case, self._work.owners
        asked_at = case.first_inbound_at if case.proactive else case.created_at
        if case.responded_at and asked_at:
            yield self._time("first_response_time", asked_at, case.responded_at, case.responded_by)
        if owners and case.created_at:
            yield self._time("time_to_own", case.created_at, owners[0].started_at, owners[0].agent_id)
        standing = self._standing()
        if standing and case.created_at:
            yield self._time("resolution_time", case.created_at, standing.at, standing.owner_id)

    def rates(self) -> Iterator[Observation]:
        """What is resolved of what came, and what came back."""
        case, owners, standing = self._case, self._work.owners, self._standing()
        # One agent for the creation and the resolution of a ticket, else a slice would divide unlike by unlike.
        agent = owners[-1].agent_id if owners else None
        if case.created_at:
            yield self._one("resolution_rate", "created", case.created_at, agent, numerator=False)
            resolved = standing is not None
            yield self._one("resolution_rate_cohort", "", case.created_at, agent, numerator=resolved)
        if standing:
            yield self._one("resolution_rate", "resolved", standing.at, agent, denominator=False)
        for each in case.resolutions:
            yield self._one("reopen_rate", str(each.seq), each.at, each.owner_id, numerator=each.reopened)

    def clocks(self) -> Iterator[Observation]:
        """Each clock with a verdict, for its owner at that moment."""
        for each in self._told.verdicts:
            apart = not each.met and each.cause == "policy_change"
            yield self._one(
                "sla_attainment",
                f"{each.clock_id}:{each.cycle}",
                each.at,
                owner_at(self._work.owners, each.at),
                numerator=each.met,
                denominator=not apart,
                clock=each.kind,
            )

    def surveys(self) -> Iterator[Observation]:
        """Each survey that was sent, for the owner at the resolution, and each answer, shared among its owners."""
        for each in self._surveys:
            if each.sent_at:
                owner = self._owner_of_resolution(each.resolution_seq)
                answered = each.answered_at is not None
                yield self._one("answer_rate", str(each.survey_id), each.sent_at, owner, numerator=answered)
            if each.answered_at and each.kind in _SATISFACTION:
                yield from self._answer(each, each.answered_at)

    def handoffs(self) -> Iterator[Observation]:
        """Each handoff that was accepted, for its receiver; a handoff that only gives another one back is none."""
        for each in self._told.handoffs:
            if each.accepted_at and not each.is_return:
                yield self._handoff(each, each.accepted_at)

    def _standing(self) -> Resolution | None:
        resolutions = self._case.resolutions
        return resolutions[-1] if resolutions and not resolutions[-1].reopened else None

    def _owner_of_resolution(self, seq: int) -> UUID | None:
        return next((each.owner_id for each in self._case.resolutions if each.seq == seq), None)

    def _answer(self, survey: Survey, at: datetime) -> Iterator[Observation]:
        for agent, parts in millionths(survey.parts).items():
            key = f"{survey.survey_id}:{agent}" if agent else str(survey.survey_id)
            yield self._one("csat", key, at, agent, numerator=survey.is_positive, parts=parts)

    def _handoff(self, handoff: Handoff, at: datetime) -> Observation:
        return self._one(
            "handoff_bounce_rate",
            str(handoff.handoff_id),
            at,
            handoff.agent_id,
            numerator=handoff.returned,
            tier=handoff.agent_tier,
        )

    def _time(self, definition: str, start: datetime, end: datetime, agent: UUID | None) -> Observation:
        # Clocks of two machines differ a little: what seems to end before it began took no time.
        microseconds = max(0, (end - start) // _MICROSECOND)
        return self._one(definition, "", end, agent, numerator=False, microseconds=microseconds)

    def _one(
        self,
        definition: str,
        key: str,
        at: datetime,
        agent: UUID | None,
        *,
        numerator: bool = True,
        denominator: bool = True,
        parts: int = WHOLE,
        microseconds: int | None = None,
        clock: str = "",
        tier: int | None = None,
    ) -> Observation:
        return Observation(
            definition=definition,
            ticket_id=self._id,
            key=key,
            at=at,
            numerator=numerator,
            denominator=denominator,
            queue_id=self._work.queue_id,
            tier=self._tiers.get(agent) if tier is None else tier,
            category=self._case.category,
            priority=self._case.priority,
            agent_id=agent,
            parts=parts,
            microseconds=microseconds,
            clock=clock,
        )


def millionths(parts: tuple[Part, ...]) -> dict[UUID | None, int]:
    """Each agent's part in millionths, their sum exactly one million; the first takes what rounding leaves over.

    Nobody's answer is one whole part of no agent.
    """
    if not parts:
        return {None: WHOLE}
    rounded: dict[UUID | None, int] = {}
    for each in parts:
        rounded[each.agent_id] = rounded.get(each.agent_id, 0) + round(each.share * WHOLE)
    rounded[parts[0].agent_id] += WHOLE - sum(rounded.values())
    return rounded
