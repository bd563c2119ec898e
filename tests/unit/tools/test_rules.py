"""Every rule of tools.rules and tools.words fails on a planted breach, and leaves its neighbours alone."""

from pathlib import Path

import pytest

from tools import rules, words

SERVICE = "services/intake/src/intake/tickets/planted.py"
DOMAIN = "services/intake/src/intake/tickets/domain.py"
TEST = "tests/unit/planted/test_planted.py"

REFUSED = [
    ("commit", SERVICE, "await connection.commit()"),
    ("commit", "libs/devstack/src/devstack/planted.py", "session.commit()"),
    ("commit", TEST, "tx.connection.commit()"),
    ("clock", SERVICE, "datetime.now(UTC)"),
    ("clock", SERVICE, "datetime.datetime.utcnow()"),
    ("clock", SERVICE, "datetime.date.today()"),
    ("clock", SERVICE, "time.time()"),
    ("clock", SERVICE, "from time import time"),
    ("clock", "libs/common/src/common/timers.py", "datetime.now(UTC)"),
    ("swallow", SERVICE, "try:\n    x()\nexcept Exception:\n    pass"),
    ("swallow", SERVICE, "try:\n    x()\nexcept:\n    ..."),
    ("swallow", SERVICE, "try:\n    x()\nexcept (ValueError, BaseException) as error:\n    'why'"),
    ("swallow", SERVICE, "for a in b:\n    try:\n        x()\n    except builtins.Exception:\n        continue"),
    ("swallow", SERVICE, "def f():\n    try:\n        x()\n    except Exception:\n        return None"),
    ("swallow", SERVICE, "with contextlib.suppress(Exception):\n    x()"),
    ("swallow", TEST, "with suppress(KeyError, BaseException):\n    x()"),
    ("task", SERVICE, "asyncio.create_task(x())"),
    ("task", SERVICE, "group.create_task(x())"),
    ("task", "libs/common/src/common/backbone/planted.py", "asyncio.ensure_future(x())"),
    ("sleep", TEST, "await asyncio.sleep(1)"),
    ("sleep", TEST, "time.sleep(0)"),
    ("sleep", "tests/support/planted.py", "from time import sleep\nsleep(1)"),
    ("event", SERVICE, "PendingEvent(id=1)"),
    ("event", SERVICE, "text('insert into\\n outbox (shard, id) values (1, 2)')"),
    ("event", SERVICE, "insert(tables.outbox)"),
    ("skip", TEST, "@pytest.mark.skip\ndef test_x(): ..."),
    ("skip", TEST, "@pytest.mark.skipif(True, reason='x')\ndef test_x(): ..."),
    ("skip", TEST, "pytestmark = pytest.mark.xfail(reason='x')"),
    ("skip", TEST, "pytest.skip('no server')"),
    ("skip", TEST, "pytest.importorskip('docker')"),
    ("skip", TEST, "@unittest.skip('x')\ndef test_x(): ..."),
    ("sql", "services/intake/src/intake/tickets/usecases.py", "from sqlalchemy import select"),
    ("sql", "services/intake/src/intake/tickets/api.py", "import sqlalchemy.ext.asyncio"),
    ("domain", DOMAIN, "async def decide(): ..."),
]

ALLOWED = [
    ("libs/common/src/common/database.py", "await connection.commit()"),
    ("libs/common/src/common/clock.py", "datetime.now(UTC)"),
    ("libs/common/src/common/lifecycle.py", "group.create_task(x())"),
    ("libs/common/src/common/outbox.py", "text('insert into outbox (shard, id) values (1, 2)')"),
    ("tests/support/eventually.py", "await asyncio.sleep(1)"),
    (SERVICE, "try:\n    x()\nexcept ValueError:\n    pass"),
    (SERVICE, "try:\n    x()\nexcept Exception as error:\n    log.warning('x', error=error)"),
    (SERVICE, "with contextlib.suppress(FileNotFoundError):\n    x()"),
    (SERVICE, "text('insert into event_kind (id) values (1)')"),
    (SERVICE, "clock.now()"),
    ("services/intake/src/intake/tickets/usecases.py", "from sqlalchemy.ext.asyncio import AsyncConnection"),
    ("services/intake/src/intake/tickets/store.py", "from sqlalchemy import select"),
]


def _plant(root: Path, place: str, source: str) -> Path:
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


@pytest.mark.parametrize(("rule", "place", "source"), REFUSED)
def test_a_planted_breach_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str, place: str, source: str
) -> None:
    _plant(tmp_path, place, source)
    assert rules.main(tmp_path) == 1
    printed = capsys.readouterr().out
    says = next(known.says for known in rules.RULES if known.name == rule)
    assert printed.startswith(f"{place}:")
    assert f"[{rule}] {says}" in printed


@pytest.mark.parametrize(("place", "source"), ALLOWED)
def test_what_a_rule_allows_passes(tmp_path: Path, place: str, source: str) -> None:
    assert rules.check(_plant(tmp_path, place, source), tmp_path) == []


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    (breach,) = rules.check(_plant(tmp_path, SERVICE, "x = 1\ndef f(:"), tmp_path)
    assert breach.startswith(f"{SERVICE}:2: [syntax]")


def test_every_rule_has_a_planted_breach() -> None:
    assert {rule.name for rule in rules.RULES} == {name for name, _, _ in REFUSED}


SAID = [
    ("registry", "docs/page.md", "see https://" + ".".join(("pypi", "org")) + "/simple"),
    ("registry", "deploy/Dockerfile", "FROM " + ".".join(("docker", "io")) + "/library/python"),
    ("machine", "Makefile", "run: /" + "home/somebody/bin/python"),
    ("open", "libs/common/src/common/x.py", "# " + "TO" + "DO: later"),
    ("reason", "libs/common/src/common/x.py", "x = 1  # no" + "qa"),
    ("reason", "libs/common/src/common/x.py", "x = 1  # no" + "qa: S101"),
    ("reason", "libs/common/src/common/x.py", "x = 1  # pyright: " + "ignore[reportAny]"),
    ("size", "libs/common/src/common/x.py", "x = 1\n" * (words.LONGEST + 1)),
    ("name", "libs/common/src/common/helpers.py", "x = 1"),
]


@pytest.mark.parametrize(("word", "place", "text"), SAID)
def test_a_planted_word_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, place: str, text: str
) -> None:
    _plant(tmp_path, place, text)
    assert words.main(tmp_path) == 1
    assert f"[{word}]" in capsys.readouterr().out


def test_an_exception_with_its_reason_passes(tmp_path: Path) -> None:
    lines = (
        "x = 1  # no" + "qa: S101, S102 - why it must be\ny = 1  # pyright: " + "ignore[reportAny] - why it must be\n"
    )
    assert words.check(_plant(tmp_path, "libs/x.py", lines), tmp_path) == []


def test_ignored_folders_and_binaries_are_not_read(tmp_path: Path) -> None:
    host = ".".join(("pypi", "org"))
    _plant(tmp_path, ".venv/lib/x.txt", host)
    _plant(tmp_path, "benchmarks/results/S1.jsonl", host)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff" + host.encode())
    assert words.main(tmp_path) == 0
