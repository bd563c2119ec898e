"""What a call is, and what follows from an answer: values and decisions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from common.transaction import Transaction

LIFE = timedelta(days=1)
"""How long a call is tried where it does not say; shorter than any service keeps an idempotency key."""
_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600, 3_600))
_PASSING = frozenset({408, 425, 429})
_OURS_TO_MEND = frozenset({401, 403})
"""They say nothing of the call but that our key is wrong, which a person mends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One command to another service.

    Attributes:
        call_id: also the Idempotency-Key, so that the same id never has two effects.
        kind: names the `CallKind` that hears of the outcome, for instance "survey_link".
        aggregate_id: what the call is about, for `cancel_calls`.
        service: "intake" or "routing".
        path: on that service, beginning with "/".
        body: sent as JSON; empty with GET, which sends none.
        actor: who acts, "agent:<id>"; empty for nobody.
        if_match: the version that the command was decided on, where it needs one.
        give_up_at: no attempt begins after it; None is a day after it was added.
    """

    call_id: UUID
    kind: str
    aggregate_id: UUID
    service: str
    method: str
    path: str
    body: Mapping[str, object]
    actor: str = ""
    if_match: int | None = None
    give_up_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallOutcome:
    """What came of one attempt.

    Attributes:
        attempt: counts from 1; one that a crash cut off counts too.
        status: of the answer; None where there was none.
        answer: its body as JSON values; None where there was none, or none that we read.
        fault: why it failed, the answer's `code` where it has one; empty where it did not.
        ok: the other side did it.
        is_final: no more attempts follow: it was done, refused, or given up.
    """

    call: Call
    attempt: int
    status: int | None
    answer: object
    fault: str
    ok: bool
    is_final: bool


@dataclass(frozen=True, kw_only=True)
class CallKind:
    """Who hears of the calls of one kind.

    Attributes:
        heard: called for every attempt in the transaction that settles it. An attempt whose settling failed is
            repeated, so it may be told twice.
    """

    kind: str
    heard: Callable[[Transaction, CallOutcome], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What one attempt met: an answer, or (with `status` None) the reason why there was none."""

    status: int | None
    answer: object = None
    fault: str = ""
    retry_after: timedelta | None = None

    @property
    def ok(self) -> bool:
        """Whether the other side did it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether another attempt would be answered alike."""
        if self.status is None or not 400 <= self.status < 500 or self.status in _PASSING | _OURS_TO_MEND:
            return False
        return self.status != 409 or self.retry_after is None


def delay_after(attempt: int, reply: Reply) -> timedelta:
    """How long to wait after a failed attempt: 1 s, 5 s, 30 s, 2 min, 10 min, then an hour, or what we are asked to.

    Args:
        attempt: the one that failed, from 1.
    """
    usual = _DELAYS[min(attempt, len(_DELAYS)) - 1]
    return max(usual, min(reply.retry_after or usual, _DELAYS[-1]))


def judge(call: Call, *, attempt: int, reply: Reply, now: datetime, give_up_at: datetime) -> CallOutcome:
    """What an attempt comes to."""
    too_late = now + delay_after(attempt, reply) > give_up_at
    return CallOutcome(
        call=call,
        attempt=attempt,
        status=reply.status,
        answer=reply.answer,
        fault="" if reply.ok else reply.fault or f"status {reply.status}",
        ok=reply.ok,
        is_final=reply.ok or reply.is_refusal or too_late,
    )
