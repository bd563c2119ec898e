"""The priority, plain fields, tags, custom fields and triage."""

from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Conflict, InvalidInput
from contracts.intake import TicketClassified, TicketPriorityChanged, TicketUpdated
from contracts.words import SkillNeed
from intake.tickets import edits
from intake.tickets.domain import FINAL, Decision, Priority, Status, priority_of
from intake.tickets.edits import Edit
from tests.support.tickets import TICKET


def test_the_matrix() -> None:
    """Every cell, by the sum of impact and urgency."""
    by_sum = {2: "urgent", 3: "urgent", 4: "high", 5: "normal", 6: "normal", 7: "low", 8: "low"}
    for impact, urgency in product(range(1, 5), range(1, 5)):
        assert priority_of(impact=impact, urgency=urgency) == by_sum[impact + urgency]


@given(impact=st.integers(1, 4), urgency=st.integers(1, 4), more=st.integers(0, 3))
def test_more_impact_is_never_less_pressing(impact: int, urgency: int, more: int) -> None:
    """The matrix is monotone in both."""
    order = list(Priority)
    base = order.index(priority_of(impact=impact, urgency=urgency))
    assert order.index(priority_of(impact=max(1, impact - more), urgency=urgency)) >= base
    assert order.index(priority_of(impact=impact, urgency=max(1, urgency - more))) >= base


@pytest.mark.parametrize(
    ("at", "to", "expected"),
    [
        ("low", None, "normal"),
        ("normal", None, "high"),
        ("high", None, "urgent"),
        ("urgent", None, "urgent"),
        ("low", "urgent", "urgent"),
        ("high", "high", "high"),
        ("urgent", "low", "urgent"),
    ],
)
def test_a_priority_is_raised_and_never_lowered(at: str, to: str | None, expected: str) -> None:
    """By one step or up to one; where it is there or above, nothing changes. The matrix does not take it back."""
    ticket = replace(TICKET, priority=Priority(at), priority_reason="")
    raised = edits.raise_priority(ticket, to=Priority(to) if to else None, reason="breached")
    assert raised.ticket.priority == expected
    if at == expected:
        assert raised == Decision(ticket=ticket)
        return
    changed = TicketPriorityChanged(ticket_id=TICKET.id, old=at, new=expected, reason="escalation")
    assert raised.events[-1] == changed
    still = edits.edit(raised.ticket, Edit(impact=4)).ticket
    assert still.priority == expected
    over = replace(ticket, status=Status.CLOSED)
    with pytest.raises(Conflict, match="changes no more"):
        edits.raise_priority(over, to=None, reason="breached")


def test_an_override_stands_until_it_is_taken_back() -> None:
    """It needs a reason, survives another impact, and goes with use_matrix."""
    overridden = edits.edit(TICKET, Edit(priority=Priority.URGENT, priority_reason="the board waits"))
    [updated, changed] = overridden.events
    assert changed == TicketPriorityChanged(ticket_id=TICKET.id, old="normal", new="urgent", reason="override")
    assert isinstance(updated, TicketUpdated)
    assert "the board waits" not in str(updated)
    still = edits.edit(overridden.ticket, Edit(impact=4)).ticket
    assert (still.impact, still.priority) == (4, Priority.URGENT)
    back = edits.edit(still, Edit(use_matrix=True))
    assert (back.ticket.priority, back.ticket.priority_reason) == (Priority.LOW, "")
    assert back.events[-1] == TicketPriorityChanged(ticket_id=TICKET.id, old="urgent", new="low", reason="matrix")


@pytest.mark.parametrize("wanted", [Edit(priority=Priority.LOW), Edit(priority_reason="because")])
def test_half_an_override_is_refused(wanted: Edit) -> None:
    """Both or neither."""
    with pytest.raises(InvalidInput):
        edits.edit(TICKET, wanted)


def test_values_of_texts_are_not_told() -> None:
    """The subject and custom fields are named, without a value."""
    decision = edits.edit(TICKET, Edit(subject="secret", custom={"name": "secret"}, language="de"))
    [told] = decision.events
    assert isinstance(told, TicketUpdated)
    assert "secret" not in str(told)
    assert {change.field for change in told.changed} == {"subject", "custom", "language"}


def test_custom_fields_merge() -> None:
    """Given ones are set, a None removes, others stay."""
    ticket = replace(TICKET, custom={"a": 1, "b": 2})
    assert edits.edit(ticket, Edit(custom={"b": None, "c": True})).ticket.custom == {"a": 1, "c": True}


def test_an_organisation_comes_and_goes() -> None:
    """Set, kept, cleared."""
    with_one = edits.edit(TICKET, Edit(organisation_id=UUID(int=5))).ticket
    assert with_one.organisation_id == UUID(int=5)
    assert edits.edit(with_one, Edit(product="x")).ticket.organisation_id == UUID(int=5)
    assert edits.edit(with_one, Edit(no_organisation=True)).ticket.organisation_id is None


@pytest.mark.parametrize("wanted", [Edit(), Edit(subject="s", impact=3, tags=(), custom={"x": None})])
def test_an_edit_without_a_change_tells_nothing(wanted: Edit) -> None:
    """The very same ticket."""
    assert edits.edit(TICKET, wanted) == Decision(ticket=TICKET)


def test_too_much_is_refused() -> None:
    """Fifty tags, fifty custom fields."""
    full = replace(TICKET, tags=tuple(f"t{n:02}" for n in range(50)), custom={f"f{n}": n for n in range(50)})
    with pytest.raises(InvalidInput):
        edits.add_tag(full, "one-more")
    assert edits.add_tag(full, "t00") == Decision(ticket=full)
    with pytest.raises(InvalidInput):
        edits.edit(full, Edit(custom={"more": 1}))


@pytest.mark.parametrize("status", sorted(FINAL))
def test_final_tickets_take_no_edit(status: Status) -> None:
    """Whatever it is."""
    ticket = replace(TICKET, status=status)
    triage: dict[str, Any] = {"category": "c", "component": "", "skills": (), "tier_required": 1, "by": "agent"}
    for decide, given_ in (
        (edits.edit, {"wanted": Edit(impact=1)}),
        (edits.add_tag, {"tag": "a"}),
        (edits.remove_tag, {"tag": "a"}),
        (edits.classify, triage),
    ):
        with pytest.raises(Conflict) as refusal:
            decide(ticket, **given_)
        assert refusal.value.code == "ticket_final"


def test_triage_is_set_whole() -> None:
    """All of it is told; the same again tells nothing."""
    skills = (SkillNeed(skill="net", level=3),)
    triage: dict[str, Any] = {"category": "c", "component": "d", "skills": skills, "tier_required": 2, "by": "rule"}
    decision = edits.classify(TICKET, **triage)
    [told] = decision.events
    assert told == TicketClassified(
        ticket_id=TICKET.id, category="c", component="d", skills_required=skills, tier_required=2, by="rule"
    )
    assert edits.classify(decision.ticket, **triage) == Decision(ticket=decision.ticket)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcde")), max_size=20))
def test_tags_are_a_set(steps: list[tuple[bool, str]]) -> None:
    """Any order of putting on and taking off ends as a set does; the order shown is alphabetical."""
    ticket, model = TICKET, set[str]()
    for add, tag in steps:
        ticket = (edits.add_tag if add else edits.remove_tag)(ticket, tag).ticket
        (model.add if add else model.discard)(tag)
        assert list(ticket.tags) == sorted(model)
