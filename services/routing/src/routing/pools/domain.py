"""Words of a pool: the lease under which one decider works, and the inputs that tell it to look again."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from common.errors import FrontlineError

DEFAULT_POOL = "default"
"""The pool of every desk of a plain installation."""


class InputKind(StrEnum):
    """What changed, so what the decider reads again."""

    WORK = "work"
    AGENT = "agent"
    QUEUE = "queue"


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """A row that says: read this again. `id` orders inputs, but a lower id may be committed later."""

    id: int
    kind: InputKind
    subject_id: UUID


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """The right to decide for a pool, as long as nobody raised its epoch."""

    pool: str
    epoch: int
    owner: str


class LeaseLost(FrontlineError):
    """Another decider owns the pool; drop what is in memory and wait for the lease."""

    code = "lease_lost"
