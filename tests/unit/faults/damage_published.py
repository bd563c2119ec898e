"""Damage to what clients were told and to what stands in the topics (I1, I2, I3, and forks of I6)."""

from tests.unit.faults.planting import Lines, breaks, drop, forget, healthy_subject, of, one, publication_of


@breaks("I3")
def lost_event(lines: Lines) -> str:
    subject = healthy_subject(lines)
    drop(lines, *of(lines, "published", source="intake", subject=subject, seq=2))
    return subject


@breaks("I3")
def lost_tail(lines: Lines) -> str:
    subject = healthy_subject(lines)
    one(lines, "state", subject=subject)["seq"] += 1
    return subject


@breaks("I3")
def lost_whole_though_archived(lines: Lines) -> str:
    lines.append(
        {"kind": "state", "service": "routing", "subject": "agent/lost", "values": {}, "seq": 1, "digest": "lost"}
    )
    return "agent/lost"


@breaks("I3")
def swapped_publications(lines: Lines) -> str:
    first, second = publication_of(lines, 2), publication_of(lines, 3)
    drop(lines, *(line for line in of(lines, "published", subject=first["subject"], source="intake")
                   if line["seq"] in {2, 3} and line is not first and line is not second))  # fmt: skip
    first["offset"], second["offset"] = second["offset"], first["offset"]
    return first["subject"]


@breaks("I3")
def another_partition(lines: Lines) -> str:
    last = publication_of(lines, 3)
    last["partition"] += 10
    return last["subject"]


@breaks("I3")
def repeat_with_other_bytes(lines: Lines) -> str:
    first = publication_of(lines, 1)
    lines.append({**first, "offset": first["offset"] + 10_000, "digest": "other"})
    return first["subject"]


@breaks("I3")
def one_id_for_two_events(lines: Lines) -> str:
    second = publication_of(lines, 2)
    second["event_id"] = publication_of(lines, 1)["event_id"]
    return second["subject"]


@breaks("I3")
def own_record_unreadable(lines: Lines) -> str:
    second = publication_of(lines, 2)
    lines.append({**second, "offset": second["offset"] + 10_000, "seq": 0, "event_id": "other"})
    return second["subject"]


@breaks("I6")
def fork_in_the_topic(lines: Lines) -> str:
    first = publication_of(lines, 1)
    lines.append({**first, "offset": first["offset"] + 10_000, "event_id": "other"})
    return first["subject"]


@breaks("I1")
def opened_ok_but_in_no_topic(lines: Lines) -> str:
    subject = healthy_subject(lines)
    forget(lines, subject, "intake")
    return subject


@breaks("I1")
def opened_ok_but_not_shown(lines: Lines) -> str:
    subject = healthy_subject(lines)
    drop(lines, *of(lines, "state", subject=subject))
    return subject


@breaks("I1")
def opened_ok_and_archived_but_not_shown(lines: Lines) -> str:
    subject = healthy_subject(lines)
    one(lines, "state", subject=subject, service="intake")["values"] = {}
    return subject


@breaks("I1")
def ok_call_names_an_event_of_another_kind(lines: Lines) -> str:
    call = one(lines, "operation", what="message", outcome="ok")
    call["seq"] = 1
    return call["subject"]


@breaks("I1")
def opened_ok_then_not_found(lines: Lines) -> str:
    call = one(lines, "operation", what="open", outcome="ok")
    late = {"process": "intake", "what": "message", "outcome": "fail", "status": 404, "seq": None, "source": ""}
    lines.append({**call, **late, "id": "late", "key": "late", "invoked_at": call["completed_at"] + 1})
    return call["subject"]


@breaks("I1")
def number_of_an_ok_call_absent(lines: Lines) -> str:
    call = one(lines, "operation", what="accept", outcome="ok")
    call["seq"] = 99
    return call["subject"]


@breaks("I1")
def opened_ok_without_a_ticket(lines: Lines) -> str:
    call = one(lines, "operation", what="open", outcome="unknown", fault="kill-relay")
    call["outcome"] = "ok"
    return ""


@breaks("I2")
def ticket_that_nobody_asked_for(lines: Lines) -> str:
    # That calls of unknown outcome made none explains nothing: the table of keys says what they made.
    subject = "ticket/none"
    lines.append({**publication_of(lines, 1), "subject": subject, "partition": 50, "event_id": "none"})
    _apply_all(lines, subject, "none")
    lines.append({**one(lines, "state"), "subject": subject, "seq": 1, "values": {"status": "new"}})
    return subject


def _apply_all(lines: Lines, subject: str, event_id: str) -> None:
    for consumer in ("routing", "escalation", "feedback"):
        last = max(line["row"] for line in of(lines, "effect", consumer=consumer))
        effect = one(lines, "effect", consumer=consumer, source="intake")
        lines.append({**effect, "subject": subject, "seq": 1, "event_id": event_id, "row": last + 1})


@breaks("I2")
def shown_ticket_that_nobody_asked_for(lines: Lines) -> str:
    lines.append({**one(lines, "state"), "subject": "ticket/shown", "seq": 0})
    return "ticket/shown"


@breaks("I2")
def two_tickets_for_one_key(lines: Lines) -> str:
    first, second = list(of(lines, "operation", what="open", outcome="ok"))[:2]
    second["key"] = first["key"]
    return second["subject"]


@breaks("I2")
def failed_call_that_made_a_ticket(lines: Lines) -> str:
    call = one(lines, "operation", what="open", outcome="ok")
    subject = call["subject"]
    drop(lines, *(line for line in of(lines, "operation", key=call["key"]) if line is not call))
    one(lines, "tables", service="intake")["known_keys"][call["key"]] = subject
    call |= {"outcome": "fail", "status": 422, "subject": "", "seq": None}
    return subject


@breaks("I2")
def failed_call_that_had_an_event(lines: Lines) -> str:
    call = one(lines, "operation", what="accept", outcome="ok")
    call |= {"outcome": "fail", "status": 409}
    return call["subject"]


@breaks("I2")
def message_written_twice(lines: Lines) -> str:
    call = one(lines, "operation", what="message", outcome="ok")
    first = one(lines, "published", source="intake", subject=call["subject"], seq=call["seq"])
    last = max(line["seq"] for line in of(lines, "published", source="intake", subject=call["subject"]))
    lines.append({**first, "seq": last + 1, "offset": first["offset"] + 10_000, "event_id": "twice"})
    return call["subject"]


@breaks("I2")
def handoff_that_nobody_asked_for(lines: Lines) -> str:
    subject = healthy_subject(lines)
    seq = max((line["seq"] for line in of(lines, "published", source="escalation", subject=subject)), default=0) + 1
    lines.append(
        publication_of(lines, 1)
        | {"source": "escalation", "type": "support.handoff.requested.v1", "seq": seq, "event_id": "unasked"}
    )
    return subject


@breaks("I2")
def emergency_requested_twice(lines: Lines) -> str:
    subject = healthy_subject(lines)
    seq = max((line["seq"] for line in of(lines, "published", source="escalation", subject=subject)), default=0)
    for number in (1, 2):
        lines.append(
            publication_of(lines, 1)
            | {"source": "escalation", "type": "support.handoff.requested.v1", "seq": seq + number}
            | {"event_id": f"emergency-{number}", "data": {"handoff_id": "emergency", "emergency": True}}
        )
    return subject


@breaks("I2")
def one_event_answers_two_keys(lines: Lines) -> str:
    call = one(lines, "operation", what="message", outcome="ok")
    lines.append({**call, "id": "other", "key": "other"})
    return call["subject"]


@breaks("I2")
def published_though_archived_nowhere(lines: Lines) -> str:
    state = one(lines, "state", service="routing")
    drop(lines, state)
    return state["subject"]


@breaks("I2")
def archived_under_other_ids(lines: Lines) -> str:
    state = one(lines, "state", service="routing")
    state["digest"] = "other"
    return state["subject"]
