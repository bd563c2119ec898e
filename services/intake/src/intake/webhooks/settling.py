"""What becomes of a line and its endpoint after an attempt, in one transaction that nothing remote happens in."""

from dataclasses import dataclass, replace

from common.transaction import Transaction
from intake.webhooks import queue, store
from intake.webhooks.domain import Attempt, Verdict, failed, judge
from intake.webhooks.queue import Claimed


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What was settled. `verdict` is None where the delivery was taken."""

    attempt: Attempt
    verdict: Verdict | None


async def settle(tx: Transaction, claimed: Claimed, attempt: Attempt, *, chance: float) -> Settled | None:
    """Keep what an attempt met, and let the line go on, wait, or stand still.

    Args:
        chance: from 0 to 1, for the jitter of the next wait.
    Returns:
        None where the line is no longer ours: its lease ended, or the endpoint is gone.
    """
    # A success of an endpoint that does not fail is by far the most frequent, and says nothing of the endpoint.
    endpoint = None
    if claimed.was_failing or not attempt.ok:
        endpoint = await store.lock_endpoint_if_there(tx.connection, claimed.endpoint_id)
    if not await queue.lock_claimed(tx, claimed):
        return None
    if attempt.ok:
        if endpoint is not None and endpoint.failing_since is not None:
            await store.save_endpoint(tx.connection, replace(endpoint, failing_since=None, resume_at=None))
        await queue.save_delivered(tx, claimed, status=attempt.status)
        return Settled(attempt=attempt, verdict=None)
    event = f"event {claimed.event_id} about {claimed.subject}"
    verdict = judge(attempt, event=event, now=tx.now, chance=chance)
    if endpoint is not None:
        after, told = failed(endpoint, verdict, now=tx.now)
        await store.save_endpoint(tx.connection, after)
        tx.add_events(endpoint.event_subject, told)
    await queue.save_failed(tx, claimed, status=attempt.status, error=attempt.error, due_at=verdict.next_attempt_at)
    return Settled(attempt=attempt, verdict=verdict)
