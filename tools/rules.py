"""House rules that no linter knows, checked on the syntax tree of every Python file.

Run as `python -m tools.rules [root]`. Each rule says where it holds, what it refuses, and what to do instead; there are
no exceptions on the line: a rule that must give way in one module names that module here, with the reason.
"""

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_ROOMS_WITHOUT_SQL = frozenset({"domain.py", "usecases.py", "schemas.py", "api.py", "consumers.py", "timers.py"})
FOLDERS = ("libs", "services", "tests", "benchmarks", "tools")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: `refuses` says whether a node breaks it, `holds` in which files (paths from the root)."""

    name: str
    refuses: Callable[[ast.AST], bool]
    holds: Callable[[str], bool]
    says: str


def main(root: Path) -> int:
    """Check every file under `root`; prints each breach and returns 1 where there is one."""
    files = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    breaches = [breach for path in files for breach in check(path, root)]
    print(*breaches, sep="\n", end="\n" if breaches else "")
    return 1 if breaches else 0


def check(path: Path, root: Path) -> list[str]:
    """The breaches of one file, as "path:line: [rule] what to do"."""
    place = PurePosixPath(path.relative_to(root)).as_posix()
    rules = [rule for rule in RULES if rule.holds(place)]
    try:
        tree = ast.parse(path.read_bytes(), filename=place)
    except SyntaxError as error:
        return [f"{place}:{error.lineno}: [syntax] {error.msg}"]
    return [
        f"{place}:{getattr(node, 'lineno', 1)}: [{rule.name}] {rule.says}"
        for node in ast.walk(tree)
        for rule in rules
        if rule.refuses(node)
    ]


def _calls(node: ast.AST, *endings: str) -> bool:
    """Whether the node is a call whose dotted name is one of `endings` or ends in ".<ending>"."""
    if not isinstance(node, ast.Call):
        return False
    name = dotted(node.func)
    return any(name == ending or name.endswith(f".{ending}") for ending in endings)


def dotted(node: ast.expr) -> str:
    """ "a.b.c" of a name or an attribute; what is no name before a dot becomes "?"."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{dotted(value)}.{attribute}"
        case _:
            return "?"


def _in(*folders: str, but: str = "") -> Callable[[str], bool]:
    """Holds in these folders, except under the path `but`."""
    return lambda place: place.startswith(folders) and not (but and place.startswith(but))


def _commits(node: ast.AST) -> bool:
    return _calls(node, "commit")


def _reads_clock(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "time":
        return any(alias.name in {"time", "time_ns"} for alias in node.names)
    return _calls(node, "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")


def _swallows(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return _is_broad(node.type) and all(_does_nothing(statement) for statement in node.body)
    return _calls(node, "suppress") and isinstance(node, ast.Call) and any(map(_is_broad, node.args))


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(map(_is_broad, caught.elts))
    return dotted(caught).rpartition(".")[2] in {"Exception", "BaseException"}


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Continue() | ast.Break() | ast.Return(value=None | ast.Constant(value=None)):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case _:
            return False


def _starts_task(node: ast.AST) -> bool:
    return _calls(node, "create_task", "ensure_future")


def _sleeps(node: ast.AST) -> bool:
    return _calls(node, "sleep")


def _writes_event(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = " ".join(node.value.lower().split())
        return any(f"insert into {table}{end}" in words for table in ("outbox", "event") for end in (" ", "("))
    return _calls(node, "PendingEvent") or (_calls(node, "insert") and _names_any(node, "outbox", "event"))


def _names_any(node: ast.AST, *names: str) -> bool:
    """Whether a call's first argument is a name that ends in one of these."""
    return isinstance(node, ast.Call) and bool(node.args) and dotted(node.args[0]).rpartition(".")[2] in names


def _leaves_out_test(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute | ast.Name):
        return False
    name = dotted(node)
    marks = ("mark.skip", "mark.skipif", "mark.xfail", "pytest.skip", "pytest.xfail", "pytest.importorskip")
    return name.endswith(marks) or name in {"importorskip", "SkipTest", "unittest.skip"}


def _speaks_sql(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] == "sqlalchemy" for alias in node.names)
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "sqlalchemy":
        return any(alias.name != "AsyncConnection" for alias in node.names)
    return False


def _waits(node: ast.AST) -> bool:
    return isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)


RULES = (
    Rule(
        name="commit",
        refuses=_commits,
        holds=_in("libs/", "services/", "tests/", but="libs/common/"),
        says="only common commits: the edge that opened the transaction ends it; take the commit out",
    ),
    Rule(
        name="clock",
        refuses=_reads_clock,
        holds=_in("libs/", "services/", but="libs/common/src/common/clock.py"),
        says="only common.clock reads the clock; take `now` as an argument, or a Clock where a role begins",
    ),
    Rule(
        name="swallow",
        refuses=_swallows,
        holds=_in(*(f"{folder}/" for folder in FOLDERS)),
        says="every error is handled, recorded or passed on; name the one exception that is expected, or let it rise",
    ),
    Rule(
        name="task",
        refuses=_starts_task,
        holds=_in("libs/", "services/", but="libs/common/src/common/lifecycle.py"),
        says="every task has a name and a parent; start it through common.lifecycle",
    ),
    Rule(
        name="sleep",
        refuses=_sleeps,
        holds=_in("tests/", but="tests/support/eventually.py"),
        says="tests never sleep; wait with tests.support.eventually, or move the clock",
    ),
    Rule(
        name="event",
        refuses=_writes_event,
        holds=_in("libs/", "services/", but="libs/common/"),
        says="events are written by common.outbox alone; hand them to Transaction.add_events",
    ),
    Rule(
        name="skip",
        refuses=_leaves_out_test,
        holds=_in("tests/"),
        says="no test is left out; mend it, or delete it with the reason in the commit",
    ),
    Rule(
        name="sql",
        refuses=_speaks_sql,
        holds=lambda place: place.startswith("services/") and PurePosixPath(place).name in _ROOMS_WITHOUT_SQL,
        says="all SQL of a slice is in its store.py; this room may name AsyncConnection and hand it on, no more",
    ),
    Rule(
        name="domain",
        refuses=_waits,
        holds=lambda place: place.startswith("services/") and place.endswith("/domain.py"),
        says="a domain decides and does nothing; move what waits to usecases.py or store.py",
    ),
)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
