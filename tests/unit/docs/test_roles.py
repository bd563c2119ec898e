"""Whoever runs roles apart finds each of them in the operators' page."""

import re
from pathlib import Path

import pytest

from common.process import role_names
from tests.support.services import SERVICES, compose

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operators.md").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_role_of_a_worker_stands_in_the_table_and_in_the_list(name: str, tmp_path: Path) -> None:
    roles = set(role_names(compose(name, clients_file=tmp_path / "none")))
    beginning, _, table = PAGE.partition("| Role |")
    rows = re.findall(r"^\| ([a-z-]+) \|", table.partition("\n\n")[0], re.MULTILINE)
    assert roles <= set(rows), f"without a row: {sorted(roles - set(rows))}"
    listed = {word for phrase in re.findall(r"`([^`]+)`", beginning) for word in phrase.split()}
    assert roles <= listed, f"not listed: {sorted(roles - listed)}"
