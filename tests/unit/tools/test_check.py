"""`make check` runs every check to its end and tells which failed."""

import pytest

from tools import check


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three checks of our own: one good, two bad."""
    monkeypatch.setattr(
        check,
        "CHECKS",
        {
            "bad": ("-c", "print('what is wrong'); raise SystemExit(3)"),
            "good": ("-c", "print('hidden')"),
            "worse": ("-c", "raise RuntimeError('broke down')"),
        },
    )


@pytest.mark.usefixtures("checks")
def test_every_check_runs_and_the_failed_ones_speak(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main([]) == 1
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["FAILED", "bad"], ["passed", "good"], ["FAILED", "worse"]]
    assert "== bad\nwhat is wrong" in printed
    assert "RuntimeError: broke down" in printed
    assert "hidden" not in printed


@pytest.mark.usefixtures("checks")
def test_one_check_runs_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["good"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.usefixtures("checks")
def test_an_unknown_check_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["nothing"]) == 2
    assert "there is no check nothing; the checks are bad, good, worse" in capsys.readouterr().out


def test_the_checks_are_those_that_the_house_promises() -> None:
    promised = {"types", "lint", "format", "layers", "rules", "words", "documents", "settings", "metrics", "manifests"}
    assert set(check.CHECKS) == promised
