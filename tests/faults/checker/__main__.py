"""`python -m tests.faults.checker FILE...`: judge histories; what is judged stands in the package's docstring."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults.checker.lines import Refused, read_history
from tests.faults.checker.verdict import judge, print_verdict


def main(names: Sequence[str]) -> int:
    """Judge each file; returns 0 where all are ok, 1 where an invariant broke, 2 where a file is no whole history."""
    if not names or any(name.startswith("-") for name in names):
        print("say which histories: python -m tests.faults.checker FILE...")
        return 2
    worst = 0
    for name in names:
        print(f"== {name}")
        worst = max(worst, _judge_file(Path(name)))
    return worst


def _judge_file(path: Path) -> int:
    try:
        history = read_history(path)
    except Refused as refused:
        print(f"REFUSED: {refused}")
        return 2
    except OSError as error:
        print(f"REFUSED: {error}")
        return 2
    verdict = judge(history)
    for line in print_verdict(verdict):
        print(line)
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    gc.disable()  # one pass over values that all stay until the end
    sys.exit(main(sys.argv[1:]))
