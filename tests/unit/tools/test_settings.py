"""The settings reference is what the settings classes say."""

from pathlib import Path

import pytest

from tools import settings


def test_the_page_names_every_setting_of_both_services() -> None:
    """Shared settings stand once; a service's own under its name."""
    page = settings.render()
    assert page.count("`FRONTLINE_DATABASE_URL`") == 1
    assert page.index("## intake") < page.index("`FRONTLINE_INTAKE_REOPEN_WINDOW`") < page.index("## routing")


def test_another_page_than_the_generated_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the message says what to do; writing mends it."""
    monkeypatch.setattr(settings, "PAGE", tmp_path / "settings.md")
    settings.PAGE.write_text("# Settings\n")
    assert settings.main("check") == 1
    assert "python -m tools.settings write" in capsys.readouterr().out
    assert settings.main("write") == 0
    assert settings.main("check") == 0
