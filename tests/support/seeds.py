"""Seeds of tests that draw what they do, and can be told to do the same again."""

import os
import random


def draw_seed() -> int:
    """A new seed, or the one that TEST_SEED names; pytest shows it where the test fails."""
    seed = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {seed}: TEST_SEED={seed} repeats it")  # noqa: T201 - see above
    return seed
