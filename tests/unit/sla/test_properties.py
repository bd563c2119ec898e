"""What holds for every story: the fold does not depend on how its events arrived, and its numbers add up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import Event
from contracts.escalation import HandoffAccepted, HandoffWithdrawn
from contracts.intake import TicketUpdated
from contracts.registry import Body
from contracts.words import Change
from escalation.calendars.domain import OFFICE_HOURS_ID
from escalation.sla.clocks import consumed_us, judge
from escalation.sla.domain import Book, Clock
from escalation.sla.fold import fold
from escalation.sla.proof import print_proof, prove
from escalation.sla.telling import UNTOLD, Occasion, Told, take_away, tell
from tests.support.clocks import (
    HOUR,
    MINUTE,
    MONDAY,
    TARGETS,
    TICKET,
    Follower,
    Story,
    book,
    created,
    handoff_requested,
    inbound,
    moved,
    outbound,
    policy,
    prioritised,
)

RULES = book(
    policy(
        policy_id=UUID(int=41),
        match={"product": {"eq": "vip"}},
        calendar_id=OFFICE_HOURS_ID,
        targets_s={kind: TARGETS[kind] for kind in ("resolution", "next_response")},
        reopen="restart",
        next_response_pauses=True,
    ),
    policy(policy_id=UUID(int=42), match={"product": {"eq": "anew"}}, fresh=("resolution", "next_response")),
    policy(calendars={"low": OFFICE_HOURS_ID}),
)
HANDOFFS = (UUID(int=51), UUID(int=52))


def _handoff(kind: type[Body], handoff_id: UUID) -> Body:
    more: dict[str, Any] = {"reason": "sender"}
    if kind is HandoffAccepted:
        more = {"agent_id": UUID(int=5), "assignment_id": UUID(int=6), "agent_tier": 2}
    return kind(ticket_id=TICKET, handoff_id=handoff_id, from_agent_id=None, **more)


def _product(name: str) -> TicketUpdated:
    return TicketUpdated(ticket_id=TICKET, changed=(Change(field="product"),), product=name)


BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(moved, st.sampled_from(["open", "pending_customer", "resolved", "cancelled", "closed", "merged"])),
    st.builds(lambda reason: moved("on_hold", hold_reason=reason), st.sampled_from(["third_party", "problem"])),
    st.builds(inbound, ack_only=st.booleans()),
    st.builds(outbound, asks=st.booleans()),
    st.builds(prioritised, st.sampled_from(["low", "normal", "high", "urgent"])),
    st.builds(_product, st.sampled_from(["", "vip", "anew"])),
    st.builds(handoff_requested, st.sampled_from(HANDOFFS)),
    st.builds(_handoff, st.sampled_from([HandoffAccepted, HandoffWithdrawn]), st.sampled_from(HANDOFFS)),
)
GAPS = st.integers(-20, 600).map(lambda minutes: minutes * MINUTE)
"""A producer's clock may go back a little."""


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A ticket's life as its producers tell it."""
    story, at = Story(), MONDAY
    story.tell(at, created(priority=draw(st.sampled_from(["low", "normal", "urgent"])), proactive=draw(st.booleans())))
    for gap, body in draw(st.lists(st.tuples(GAPS, BODIES), max_size=14)):
        at += gap
        story.tell(at, body)
    return story


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[Story, Sequence[Event]]:
    """A story and an order in which its events may arrive: each source in its own order, with repeats."""
    story = draw(stories())
    queues: dict[str, list[Event]] = {}
    for event in story.events:
        queues.setdefault(event.source, []).append(event)
    arrived: list[Event] = []
    while queues:
        source = draw(st.sampled_from(sorted(queues)))
        arrived.append(queues[source].pop(0))
        if not queues[source]:
            del queues[source]
        if draw(st.integers(0, 4)) == 0:
            arrived.append(draw(st.sampled_from(arrived)))
    return story, arrived


@given(arrivals())
@settings(max_examples=80)
def test_any_arrival_gives_the_same_clocks(arrival: tuple[Story, Sequence[Event]]) -> None:
    """Extended event by event, folded anew where one came late: always what one fold of everything gives."""
    story, arrived = arrival
    follower = Follower(rules=RULES)
    for event in arrived:
        follower.follow(event)
        folded, clocks = fold(follower.log, RULES)
        assert (follower.folded, follower.clocks) == (folded, dict(clocks))
    folded, clocks = fold(story.events, RULES)
    assert (follower.folded, follower.clocks) == (folded, dict(clocks))


@given(stories(), st.lists(st.integers(0, 60), min_size=2, max_size=12))
@settings(max_examples=60)
def test_intervals_tile_and_consumed_only_grows(story: Story, hours: list[int]) -> None:
    """Runs and pauses follow each other without a gap from start to end, and what has run never runs back.

    Unless an event comes late: then less may have run than was thought before it was known.
    """
    follower = Follower(rules=RULES)
    seen: dict[UUID, int] = {}
    for event in story.events:
        anew = follower.folds_anew
        follower.follow(event)
        if follower.folds_anew > anew:
            seen.clear()
        for clock in follower.clocks.values():
            _check_tiling(clock)
            assert clock.consumed_us >= seen.get(clock.clock_id, 0)
            seen[clock.clock_id] = clock.consumed_us
            last = clock.ledger[-1] if clock.ledger else None
            if last and clock.is_open:
                grown = [consumed_us(clock, last.since + hour * HOUR, RULES) for hour in sorted(hours)]
                assert grown == sorted(grown)
                assert grown[0] >= clock.consumed_us


def test_what_comes_late_may_take_back_what_seemed_to_have_run() -> None:
    """A handoff that was accepted before the news of something later arrived: its clock ran until the acceptance."""
    story = Story()
    story.tell(MONDAY, created())
    story.tell(MONDAY, handoff_requested(HANDOFFS[0]))
    story.tell(MONDAY + 2 * MINUTE, _product("anew"))
    story.tell(MONDAY + MINUTE, _handoff(HandoffAccepted, HANDOFFS[0]))
    follower = Follower(rules=RULES)
    ran: list[int] = []
    for event in story.events:
        follower.follow(event)
        ran += [clock.consumed_us for clock in follower.clocks.values() if clock.kind == "handoff_accept"]
    assert (ran, follower.folds_anew) == ([0, 120_000_000, 60_000_000], 1)


def _check_tiling(clock: Clock) -> None:
    at = clock.started_at
    for place, stretch in enumerate(clock.ledger):
        assert stretch.since == at
        if stretch.until is None:
            assert clock.is_open
            assert place == len(clock.ledger) - 1
        else:
            at = stretch.until
    if not clock.is_open:
        assert at == clock.ended_at
    assert clock.consumed_us == sum(stretch.consumed_us for stretch in clock.ledger)


@given(stories(), st.integers(0, 200))
@settings(max_examples=60)
def test_every_proof_adds_up(story: Story, hours: int) -> None:
    """The paper's numbers lead to the clock's: what ran, the deadline, and the verdict."""
    _, clocks = fold(story.events, RULES)
    for clock in clocks.values():
        at = (clock.ended_at or clock.ledger[-1].since) + hours * MINUTE * 7
        proof = prove(clock, RULES, at=at)
        assert proof.consumed_us == sum(step.consumed_us for step in proof.steps) == consumed_us(clock, at, RULES)
        if clock.state == "running" and clock.breached_at is None:
            assert (proof.clock.breached_at is not None) == (proof.remaining_us < 0)
        assert clock.state != "met" or proof.remaining_us >= 0
        if proof.ahead:
            assert proof.ahead[-1].until == clock.deadline
            assert sum(each.us for each in proof.ahead) == proof.remaining_us
        assert print_proof(proof).endswith(f"verdict  = {proof.verdict}\n")


class Publisher:
    """What the consumer and the timers tell of one ticket, and what hearers make of it."""

    def __init__(self, rules: Book) -> None:
        self.follower = Follower(rules=rules)
        self.told: dict[UUID, Told] = {}
        self.kept: dict[UUID, Clock] = {}
        self.warned: list[tuple[object, ...]] = []
        self.breached: dict[UUID, int] = {}
        self.met: dict[UUID, int] = {}

    def follow(self, event: Event, now: datetime) -> None:
        """One event arrives now."""
        before = self.follower.folds_anew
        self.follower.follow(event)
        self.publish(Occasion(now, event.id, refolded=self.follower.folds_anew > before))

    def publish(self, occasion: Occasion) -> None:
        """Tell what there is to tell."""
        for clock_id in set(self.kept) - set(self.follower.clocks):
            told, bodies = take_away(self.told[clock_id], self.kept[clock_id], occasion)
            self.told[clock_id] = told
            self.hear(bodies)
        self.kept |= self.follower.clocks
        for clock in self.follower.clocks.values():
            told, bodies = tell(clock, self.told.get(clock.clock_id, UNTOLD), self.follower.rules, occasion)
            self.told[clock.clock_id] = told
            self.hear(bodies)
            assert tell(clock, told, self.follower.rules, occasion) == (told, []), "telling twice tells nothing"
            assert told.due_at is None or told.due_at > occasion.now

    def hear(self, bodies: Sequence[Body]) -> None:
        """Count what is told, and refuse what contradicts itself."""
        for body in bodies:
            name = type(body).__name__
            said: Any = body
            if name == "SlaWarning":
                self.warned.append((said.clock_id, said.percent, said.policy_id, said.policy_version))
            elif name in {"SlaBreached", "SlaBreachWithdrawn"}:
                count = self.breached.get(said.clock_id, 0) + (1 if name == "SlaBreached" else -1)
                assert count in {0, 1}, "a breach is told once, and withdrawn only where it was told"
                self.breached[said.clock_id] = count
            elif name in {"SlaMet", "SlaMetWithdrawn"}:
                count = self.met.get(said.clock_id, 0) + (1 if name == "SlaMet" else -1)
                assert count in {0, 1}
                self.met[said.clock_id] = count


@given(arrivals(), st.lists(st.integers(0, 300), min_size=30, max_size=30))
@settings(max_examples=60)
def test_what_was_told_is_what_is_so(arrival: tuple[Story, Sequence[Event]], minutes: list[int]) -> None:
    """However late and in whatever order events arrive: each warning once, and verdicts that stand are the fold's."""
    story, arrived = arrival
    publisher = Publisher(RULES)
    now = MONDAY
    for event, delay in zip(arrived, minutes * 2, strict=False):
        now = max(now, event.time) + delay * MINUTE
        publisher.follow(event, now)
        due = [told.due_at for told in publisher.told.values() if told.due_at]
        if due and min(due) <= now + HOUR:
            now = max(now, *[each for each in due if each <= now + HOUR])
            publisher.publish(Occasion(now))
    now += timedelta(days=60)
    publisher.publish(Occasion(now))
    assert len(publisher.warned) == len(set(publisher.warned))
    _, clocks = fold(story.events, RULES)
    for clock in clocks.values():
        judged = judge(clock, now, RULES)
        assert publisher.breached.get(clock.clock_id, 0) == (judged.breached_at is not None)
        assert publisher.met.get(clock.clock_id, 0) == (judged.state == "met")
    for clock_id in set(publisher.told) - set(clocks):
        assert not publisher.breached.get(clock_id)
        assert not publisher.met.get(clock_id)
