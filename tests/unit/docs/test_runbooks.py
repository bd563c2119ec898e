"""What the runbooks tell people to type exists, and so do the metrics that they name."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from devstack.cli.app import app

RUNBOOKS = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")
METRICS = set(re.findall(r"^\| `(\w+)`", (RUNBOOKS.parent / "metrics.md").read_text(), re.MULTILINE))
WRONG_USE = typer.BadParameter.__bases__[0]
"""Of which every complaint about a command line is one."""
HEADINGS = ["Symptom", "What it means", "Look", "Do", "Afterwards"]


def commands_of(text: str) -> list[str]:
    """Every command line on a page: in a sentence between backticks, or on an indented line of its own."""
    return re.findall(r"`(frontline [^`]+)`", text) + re.findall(r"^ {4,}(frontline .+)$", text, re.MULTILINE)


def parse(line: str) -> None:
    """Let the command read its words, and run nothing."""
    command = get_command(app)
    words = shlex.split(line)[1:]
    context = command.context_class(command, info_name="frontline")
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"{line}: there is no {words[0]}"
        command, words = found, words[1:]
        context = command.context_class(command, info_name=command.name, parent=context)
    if not (isinstance(command, TyperGroup) and command.invoke_without_command and not words):
        command.parse_args(context, list(words))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_parts_and_its_commands_and_metrics_exist(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    for line in commands_of(text):
        parse(line)
    named = set(re.findall(r"\bfrontline_[a-z_]+[a-z]", text))
    assert named <= METRICS, sorted(named - METRICS)


def test_every_page_is_in_the_index() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in index] == []
    assert len(PAGES) >= 11


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in ("frontline ops mend routing", "frontline ops redrive routing", "frontline ops parked --nothing"):
        with pytest.raises((WRONG_USE, AssertionError)):
            parse(wrong)
