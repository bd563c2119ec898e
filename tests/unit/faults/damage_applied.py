"""Damage to what consumers applied and to what must hold when all is quiet (I4 to I8)."""

from tests.unit.faults.planting import Lines, breaks, drop, effect_of, healthy_subject, of, one


@breaks("I4")
def lost_effect(lines: Lines) -> str:
    effect = effect_of(lines, 2)
    drop(lines, effect)
    return effect["subject"]


@breaks("I4")
def unapplied_tail(lines: Lines) -> str:
    subject = healthy_subject(lines)
    last = max(of(lines, "effect", consumer="feedback", source="intake", subject=subject), key=lambda x: x["seq"])
    drop(lines, last)
    return subject


@breaks("I4")
def consumer_that_never_heard_of_it(lines: Lines) -> str:
    subject = healthy_subject(lines)
    drop(lines, *of(lines, "effect", consumer="feedback", source="intake", subject=subject))
    return subject


@breaks("I4")
def doubled_effect(lines: Lines) -> str:
    effect = effect_of(lines, 1)
    lines.append({**effect, "row": 100_000})
    return effect["subject"]


@breaks("I4")
def swapped_effects(lines: Lines) -> str:
    first, second = effect_of(lines, 1), effect_of(lines, 2)
    first["row"], second["row"] = second["row"], first["row"]
    return first["subject"]


@breaks("I4")
def effect_by_another_id(lines: Lines) -> str:
    effect = effect_of(lines, 2)
    effect["event_id"] = "other"
    return effect["subject"]


@breaks("I4")
def effect_of_what_was_never_published(lines: Lines) -> str:
    effect = effect_of(lines, 1)
    lines.append({**effect, "seq": 99, "event_id": "other", "row": 100_000})
    return effect["subject"]


@breaks("I4")
def effect_on_an_unknown_subject(lines: Lines) -> str:
    lines.append({**effect_of(lines, 1), "subject": "ticket/unheard", "row": 100_000})
    return "ticket/unheard"


@breaks("I4")
def forged_fork_applied(lines: Lines) -> str:
    forged = one(lines, "published", forged=True, digest="forged-fork")
    effect = one(lines, "effect", consumer="routing", source="intake", subject=forged["subject"], seq=1)
    effect["event_id"] = forged["event_id"]
    return forged["subject"]


@breaks("I4")
def forged_gap_applied(lines: Lines) -> str:
    forged = one(lines, "published", forged=True, digest="forged-gap")
    lines.append(
        effect_of(lines, 1)
        | {"subject": forged["subject"], "seq": forged["seq"], "event_id": forged["event_id"], "row": 100_000}
    )
    return forged["subject"]


@breaks("I4")
def hole_in_what_fills_a_gap(lines: Lines) -> str:
    return _apply_to_the_gap(lines, 1, 3)


@breaks("I4")
def applied_as_far_as_the_number_of_a_forged_gap(lines: Lines) -> str:
    one(lines, "published", forged=True, digest="forged-gap")["seq"] = 3
    return _apply_to_the_gap(lines, 1, 2, 3)


def _apply_to_the_gap(lines: Lines, *numbers: int) -> str:
    """Let routing apply these, and no others, of the subject of which a number far ahead was forged."""
    subject = one(lines, "published", forged=True, digest="forged-gap")["subject"]
    drop(lines, *of(lines, "effect", consumer="routing", source="intake", subject=subject))
    for seq in numbers:
        event_id = one(lines, "published", forged=False, source="intake", subject=subject, seq=seq)["event_id"]
        lines.append(effect_of(lines, 1) | {"subject": subject, "seq": seq, "event_id": event_id, "row": 100_000 + seq})
    return subject


@breaks("I4")
def applied_behind_its_poison(lines: Lines) -> str:
    forged = one(lines, "published", forged=True, digest="forged-undecodable")
    behind = one(lines, "published", forged=False, source="intake", subject=forged["subject"], seq=2)
    lines.append(
        {**effect_of(lines, 1), "subject": forged["subject"], "seq": 2, "event_id": behind["event_id"], "row": 100_000}
    )
    return forged["subject"]


@breaks("I4")
def stopped_before_its_poison(lines: Lines) -> str:
    forged = one(lines, "published", forged=True, digest="forged-undecodable")
    drop(lines, one(lines, "effect", consumer="routing", source="intake", subject=forged["subject"], seq=1))
    return forged["subject"]


@breaks("I4")
def stopped_before_a_forged_gap(lines: Lines) -> str:
    return _apply_to_the_gap(lines)


@breaks("I5")
def outbox_left(lines: Lines) -> str:
    one(lines, "tables", service="routing")["outbox"] = 1
    return "routing"


@breaks("I5")
def lag_left(lines: Lines) -> str:
    one(lines, "tables", service="feedback")["lag"] = 7
    return "feedback"


@breaks("I5")
def parked_without_poison(lines: Lines) -> str:
    subject = healthy_subject(lines)
    one(lines, "tables", service="routing")["parked"].append(["intake", subject, "failed"])
    return subject


@breaks("I5")
def parked_for_a_while_without_poison(lines: Lines) -> str:
    subject = healthy_subject(lines)
    one(lines, "tables", service="routing")["parkings"].append(["intake", subject, "failed"])
    return subject


@breaks("I5")
def parking_that_nobody_noted(lines: Lines) -> str:
    return one(lines, "tables", service="routing")["parkings"].pop()[1]


@breaks("I5")
def poison_not_parked(lines: Lines) -> str:
    return one(lines, "tables", service="routing")["parked"].pop()[1]


@breaks("I5")
def parked_for_another_reason(lines: Lines) -> str:
    parked = one(lines, "tables", service="routing")["parked"][0]
    parked[2] = "failed"
    return parked[1]


@breaks("I5")
def poison_record_lost(lines: Lines) -> str:
    one(lines, "tables", service="routing")["poison_records"] = 0
    return "poison"


@breaks("I5")
def poison_record_too_many(lines: Lines) -> str:
    one(lines, "tables", service="routing")["poison_records"] = 2
    return "poison"


@breaks("I5")
def nobody_looked_into_the_tables(lines: Lines) -> str:
    drop(lines, one(lines, "tables", service="feedback"))
    return "feedback"


@breaks("I5")
def shown_status_other_than_the_fold(lines: Lines) -> str:
    state = one(lines, "state", subject=healthy_subject(lines))
    state["values"]["status"] = "closed"
    return state["subject"]


@breaks("I5")
def shown_owner_other_than_the_fold(lines: Lines) -> str:
    state = one(lines, "state", subject=healthy_subject(lines))
    state["values"]["owner_id"] = None
    return state["subject"]


@breaks("I5")
def shown_value_without_a_fold(lines: Lines) -> str:
    state = one(lines, "state", subject=healthy_subject(lines))
    state["values"]["colour"] = "red"
    return state["subject"]


@breaks("I5")
def moved_from_where_it_was_not(lines: Lines) -> str:
    subject = healthy_subject(lines)
    for line in of(lines, "published", source="intake", subject=subject, seq=3):
        line["data"] = {**line["data"], "from": "closed"}
    return subject


@breaks("I5")
def two_owners_at_once(lines: Lines) -> str:
    subject = healthy_subject(lines)
    for line in of(lines, "published", source="routing", subject=subject, seq=1):
        line |= {"type": "support.assignment.assigned.v1"}
        line["data"] = {"agent_id": "other", "assignment_id": "other"}
    return subject


@breaks("I6")
def row_below_the_floor(lines: Lines) -> str:
    one(lines, "tables", service="intake")["below_floor"] = 1
    return "intake"


@breaks("I6")
def fork_that_nobody_injected(lines: Lines) -> str:
    one(lines, "tables", service="routing")["forks"] += 1
    return "routing"


@breaks("I6")
def gap_that_nobody_injected(lines: Lines) -> str:
    one(lines, "tables", service="escalation")["gaps"] += 1
    return "escalation"


@breaks("I6")
def injected_gap_unnoticed(lines: Lines) -> str:
    one(lines, "tables", service="escalation")["gaps"] = 0
    return "escalation"


@breaks("I6")
def stored_offset_that_went_back(lines: Lines) -> str:
    first, second, *_ = of(lines, "offsets", service="routing")
    first["offsets"], second["offsets"] = second["offsets"], first["offsets"]
    return "routing"


@breaks("I6")
def stored_offset_that_went_away(lines: Lines) -> str:
    *_, last = of(lines, "offsets", service="feedback")
    last["offsets"] = {}
    return "feedback"


@breaks("I6")
def offsets_that_nobody_noted(lines: Lines) -> str:
    drop(lines, *of(lines, "offsets", service="intake"))
    return "intake"


@breaks("I7")
def late_drain(lines: Lines) -> str:
    window = one(lines, "fault", fault="kill-relay")
    length = window["ended_at"] - window["began_at"]
    window["quiet_at"] = window["ended_at"] + 2 * length + 10.1
    return "kill-relay"


@breaks("I7")
def never_quiet(lines: Lines) -> str:
    one(lines, "fault", fault="kill-relay")["quiet_at"] = None
    return "kill-relay"


@breaks("I7")
def fault_that_never_ended(lines: Lines) -> str:
    one(lines, "fault", fault="kill-relay")["ended_at"] = None
    return "kill-relay"


@breaks("I8")
def delayed_bystander(lines: Lines) -> str:
    window = one(lines, "fault", fault="poison")
    poisoned = {subject for _, _, subject, _ in window["poison"]}
    written = next(
        line
        for line in of(lines, "published", source="intake", seq=1, forged=False)
        if line["written_at"] > window["began_at"] and line["subject"] not in poisoned
    )
    effect = one(lines, "effect", consumer="feedback", source="intake", subject=written["subject"], seq=1)
    effect["applied_at"] = written["written_at"] + 2.1
    return effect["subject"]


@breaks("I8")
def bystander_delayed_from_before_the_poison_on(lines: Lines) -> str:
    effect = effect_of(lines, 1)
    effect["applied_at"] = one(lines, "fault", fault="poison")["began_at"] + 2.1
    return effect["subject"]
