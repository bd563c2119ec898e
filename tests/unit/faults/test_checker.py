"""The checker accepts whole histories and refuses each planted damage, by the right invariant and story."""

import ast
import copy
import inspect
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.checker import __main__ as program
from tests.faults.checker.lines import Refused, parse_lines
from tests.faults.checker.verdict import Verdict, judge, print_verdict
from tests.support.histories import Line, make_history
from tests.unit.faults import damage_applied, damage_published
from tests.unit.faults.planting import DAMAGES, healthy_subject, of, one

CHECKER = Path(program.__file__).parent


def _judge(lines: list[Line]) -> Verdict:
    return judge(parse_lines(json.dumps(line).encode() + b"\n" for line in lines))


def _says(verdict: Verdict) -> list[str]:
    return [f"{breach.invariant} {breach.subject} {breach.says}" for breach in verdict.breaches]


@given(seed=st.integers(0, 2**32), tickets=st.integers(6, 40))
@settings(max_examples=60)
def test_accepts_every_healthy_history_with_unknown_outcomes_either_way(seed: int, tickets: int) -> None:
    verdict = _judge(make_history(seed, tickets=tickets))
    assert _says(verdict) == []
    text = "\n".join(print_verdict(verdict))
    assert "BROKEN" not in text
    assert "lost 0, duplicate effects 0, reorderings 0, forks 0" in text
    assert "ok: 2 faults ran, 1 not run" in text


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", DAMAGES)
def test_refuses_damage_by_its_invariant_and_subject(name: str, seed: int) -> None:
    invariant, plant = DAMAGES[name]
    lines = make_history(seed)
    subject = plant(lines)
    verdict = _judge(lines)
    found = [breach for breach in verdict.breaches if breach.invariant == invariant and breach.subject == subject]
    assert found, _says(verdict)
    text = "\n".join(print_verdict(verdict))
    assert f"{invariant} BROKEN" in text
    if subject.startswith("ticket/") and not name.startswith("shown ticket"):
        assert f"the story of {subject}:" in text


def test_every_planted_damage_is_tried() -> None:
    planted = {
        name.replace("_", " ")
        for module in (damage_published, damage_applied)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
    assert planted == set(DAMAGES)
    assert len(DAMAGES) == 69


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=150)
def test_no_effect_or_publication_can_go_unnoticed(seed: int, data: st.DataObject) -> None:
    lines = make_history(seed, tickets=6)
    repeated = {(line["source"], line["subject"], line["seq"]): 0 for line in of(lines, "published", forged=False)}
    for line in of(lines, "published", forged=False):
        repeated[line["source"], line["subject"], line["seq"]] += 1
    ahead = one(lines, "published", forged=True, digest="forged-gap")["subject"]
    filling = [line for line in of(lines, "effect", source="intake", subject=ahead) if line["seq"] > 1]
    last_filling = {("intake", ahead, line["consumer"]): line for line in sorted(filling, key=lambda line: line["seq"])}
    candidates = [
        line
        for line in lines
        # Of what fills a gap, the last may be applied already, or not yet.
        if (
            line["kind"] == "effect"
            and line is not last_filling.get((line["source"], line["subject"], line["consumer"]))
        )
        or (line["kind"] == "published" and repeated.get((line["source"], line["subject"], line["seq"])) == 1)
    ]
    gone = data.draw(st.sampled_from([line for line in candidates if not line.get("forged")]))
    lines = [line for line in lines if line is not gone]
    assert not _judge(lines).passed


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=100)
def test_the_order_of_lines_in_the_file_decides_nothing(seed: int, data: st.DataObject) -> None:
    lines = data.draw(st.permutations(make_history(seed, tickets=6)))
    assert _says(_judge(lines)) == []


def test_a_damage_counts_for_the_window_it_happened_in() -> None:
    lines = make_history(1)
    DAMAGES["doubled effect"][1](lines)
    table = list(print_verdict(_judge(lines)))
    assert "BROKEN" in next(line for line in table if line.startswith("kill-relay"))
    assert "BROKEN" not in next(line for line in table if line.startswith("poison"))
    assert "BROKEN" in next(line for line in table if line.startswith("in all"))
    assert next(line for line in table if line.startswith("disk-full")).endswith("not run: needs a small volume")


def test_the_story_is_cut_to_the_lines_around_the_break() -> None:
    lines = make_history(1)
    subject = DAMAGES["effect by another id"][1](lines)
    text = list(print_verdict(_judge(lines)))
    start = text.index(f"  the story of {subject}:")
    story = text[start + 1 : text.index("", start)]
    assert len([line for line in story if "..." not in line]) <= 14
    assert any(line.startswith("  >") and "routing applied intake 2 other" in line for line in story)
    assert all(subject.partition("/")[2] not in line for line in story)


def test_a_window_of_its_own_bound_may_keep_bystanders_waiting() -> None:
    lines = make_history(1)
    DAMAGES["delayed bystander"][1](lines)
    one(lines, "fault", fault="poison")["bystander_s"] = None
    assert _judge(lines).passed


@pytest.mark.parametrize(
    ("poisons", "before_s", "behind_s", "blamed"),
    [
        (False, 1.9, 1.9, []),  # the next fault may be why it waited on
        (False, 1.9, 60.0, []),
        (False, 2.1, 0.0, ["poison"]),
        (False, 2.1, 60.0, ["poison"]),
        (True, 1.9, 1.9, []),
        (True, 1.9, 2.1, ["later"]),
        (True, 2.1, 2.1, ["poison", "later"]),
    ],
)
def test_a_wait_across_the_border_of_windows_is_judged_by_each_one_s_share(
    poisons: bool, before_s: float, behind_s: float, blamed: list[str]
) -> None:
    lines = make_history(1)
    subject = DAMAGES["delayed bystander"][1](lines)
    effect = one(lines, "effect", consumer="feedback", source="intake", subject=subject, seq=1)
    border = one(lines, "published", source="intake", subject=subject, seq=1)["written_at"] + before_s
    effect["applied_at"] = border + behind_s
    early = one(lines, "fault", fault="poison")
    later = {"fault": "later", "began_at": border, "ended_at": border + 1, "quiet_at": border + 2, "poison_records": 0}
    lines.append({**early, **later, "poison": early["poison"] if poisons else []})
    breaches = [breach for breach in _judge(lines).breaches if breach.invariant == "I8"]
    assert [(breach.fault, breach.subject) for breach in breaches] == [(fault, subject) for fault in blamed]


def test_what_does_not_count_of_a_window_widens_no_bound() -> None:
    lines = make_history(1)
    window = one(lines, "fault", fault="kill-relay")
    window["quiet_at"] = window["ended_at"] + 2 * (window["ended_at"] - window["began_at"] - 0.5) + 10
    assert _judge(lines).passed
    window["uncounted_s"] = 0.6
    assert _says(_judge(lines)) != []


def test_tables_after_a_window_are_judged_by_the_poison_up_to_then() -> None:
    lines = make_history(1)
    early = copy.deepcopy(one(lines, "tables", service="routing")) | {"fault": "kill-relay", "forks": 0, "gaps": 0}
    assert _judge([*lines, early | {"parked": [], "parkings": []}]).passed
    assert not _judge([*lines, early]).passed


def test_poison_without_a_forged_record_stops_somewhere_before_the_end() -> None:
    lines = make_history(1)
    subject = healthy_subject(lines)
    one(lines, "fault", fault="kill-relay")["poison"].append(["feedback", "intake", subject])
    for parked in ("parked", "parkings"):
        one(lines, "tables", service="feedback")[parked].append(["intake", subject, "failed"])
    assert any("poison should have stopped it" in says for says in _says(_judge(lines)))
    effects = sorted(of(lines, "effect", consumer="feedback", source="intake", subject=subject), key=lambda x: x["seq"])
    assert _judge([line for line in lines if line not in effects[1:]]).passed
    assert not _judge([line for line in lines if line is not effects[0] and line is not effects[-1]]).passed


def _bytes(lines: list[Line]) -> list[bytes]:
    return [json.dumps(line).encode() + b"\n" for line in lines]


def test_a_torn_last_line_is_left_out_and_said() -> None:
    whole = _bytes(make_history(1))
    history = parse_lines([*whole, whole[5][:20]])
    assert history.torn
    verdict = judge(history)
    assert verdict.passed
    assert "the last line is torn and was left out" in list(print_verdict(verdict))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines.insert(3, {"kind": "rumour"}), "unknown kind 'rumour'"),
        (lambda lines: lines.insert(3, {"no": "kind"}), "no object with a kind"),
        (lambda lines: one(lines, "effect").pop("row"), "effect.row is missing"),
        (lambda lines: one(lines, "effect").update(row=True), "effect.row is True, of the wrong type"),
        (lambda lines: one(lines, "effect").update(row="1"), "effect.row is '1', of the wrong type"),
        (lambda lines: one(lines, "operation").update(outcome="maybe"), "outcome 'maybe'"),
        (lambda lines: lines.remove(one(lines, "fault", fault="poison")), "window 'poison' has no fault line"),
        (lambda lines: lines.append(one(lines, "fault")), "stands twice"),
        (lambda lines: one(lines, "fault").update(ended_at=1.0), "ended before it began"),
        (lambda lines: one(lines, "fault").update(poison=[["routing"]]), "poison takes"),
        (lambda lines: one(lines, "fault").update(poison=[["routing", "intake", 5]]), "poison takes"),
        (lambda lines: one(lines, "tables").update(parked=["ticket/1"]), "parked and"),
        (lambda lines: one(lines, "tables").update(parked=[["intake", {}, ""]]), "parked and"),
        (lambda lines: one(lines, "tables").update(known_keys={"key": 5}), "known_keys takes"),
        (lambda lines: one(lines, "tables").update(parkings=[["intake", 1, ""]]), "parkings take"),
        (lambda lines: one(lines, "state").pop("digest"), "without the digest"),
        (lambda lines: one(lines, "offsets").update(offsets={"intake/0": "1"}), "offsets takes"),
        (lambda lines: one(lines, "run").update(consumers={"routing": "intake"}), "run.consumers.routing"),
        (lambda lines: one(lines, "effect").update(applied_at=float("nan")), "NaN is no number"),
        (lambda lines: lines.remove(one(lines, "run")), "0 run lines"),
        (lambda lines: one(lines, "run")["bounds"].pop("drain_factor"), "run.bounds.drain_factor"),
        (lambda lines: [lines.remove(x) for x in list(of(lines, "tables"))], "no tables line of the end"),
        (lambda lines: [lines.remove(x) for x in list(of(lines, "operation"))], "nothing was run"),
    ],
)
def test_what_is_no_whole_history_is_refused(change: object, says: str) -> None:
    lines = make_history(1)
    assert callable(change)
    change(lines)
    with pytest.raises(Refused) as refused:
        parse_lines(_bytes(lines))
    assert says in str(refused.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)


@given(seed=st.integers(0, 50), data=st.data())
@settings(max_examples=300)
def test_whatever_stands_in_a_field_the_end_is_a_verdict_or_a_refusal(seed: int, data: st.DataObject) -> None:
    lines = make_history(seed, tickets=6)
    line = data.draw(st.sampled_from(lines))
    target = data.draw(
        st.sampled_from([line, *(value for value in line.values() if isinstance(value, dict) and value)])
    )
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(VALUES)
    try:
        verdict = _judge(lines)
    except Refused:
        return
    assert list(print_verdict(verdict))[-1].startswith(("ok", "BROKEN"))


def test_a_line_nested_beyond_reading_is_refused() -> None:
    with pytest.raises(Refused, match="line 1: no JSON"):
        parse_lines([b"[" * 100_000 + b"\n"])


def test_a_line_torn_before_the_end_is_refused() -> None:
    whole = _bytes(make_history(1))
    with pytest.raises(Refused, match="line 6: no JSON"):
        parse_lines([*whole[:5], whole[5][:20] + whole[6], *whole[7:]])


def test_the_program_says_how_each_file_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = make_history(1)
    good, bad, none = tmp_path / "good", tmp_path / "bad", tmp_path / "none"
    good.write_bytes(b"".join(_bytes(lines)))
    DAMAGES["lost event"][1](lines)
    bad.write_bytes(b"".join(_bytes(lines)))
    assert program.main([str(good)]) == 0
    assert program.main([str(good), str(bad)]) == 1
    assert program.main([str(none), str(good)]) == 2
    assert program.main([]) == 2
    assert "REFUSED" in capsys.readouterr().out


def test_the_checker_imports_the_standard_library_alone() -> None:
    imported: set[str] = set()
    for path in CHECKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported.update(name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    outside = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in outside if not name.startswith("tests.faults.checker")} == set()
