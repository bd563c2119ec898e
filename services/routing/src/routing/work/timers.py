"""Due and periodic work: offers that end, agents who left, the audit of the invariants, the log's end."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from opentelemetry import metrics

from common.timers import Periodic, Timer
from common.transaction import Transaction
from routing.pools.usecases import trim_log
from routing.work import store
from routing.work.keeping import AGENT_LEFT_TIMER, OFFER_TIMER
from routing.work.usecases import expire_offer, take_back_work

TIMERS = (
    Timer(kind=OFFER_TIMER, fire=expire_offer),
    Timer(kind=AGENT_LEFT_TIMER, fire=take_back_work),
)

_AUDIT_EVERY = timedelta(seconds=60)
_TRIM_EVERY = timedelta(seconds=60)

_log = logging.getLogger(__name__)
_violations = metrics.get_meter("frontline.routing").create_counter(
    "frontline_routing_invariant_violations",
    description="agents whose load is not the sum of what they hold, and tickets whose state contradicts their owner",
)


async def audit(tx: Transaction) -> None:
    """Count what must never be; each sighting is counted again for as long as it lasts."""
    for invariant, found in (await store.count_violations(tx.connection)).items():
        if found:
            _violations.add(found, {"invariant": invariant})
            _log.error("an invariant is broken", extra={"invariant": invariant, "found": found})


def list_periodic(*, log_retention: timedelta) -> Sequence[Periodic]:
    """The periodic work of this slice.

    Args:
        log_retention: how long the log of what the engine was given is kept.
    """

    async def trim(tx: Transaction) -> None:
        await trim_log(tx, before=tx.now - log_retention)

    return (
        Periodic(name="routing_audit", every=_AUDIT_EVERY, run=audit),
        Periodic(name="routing_log_end", every=_TRIM_EVERY, run=trim),
    )
