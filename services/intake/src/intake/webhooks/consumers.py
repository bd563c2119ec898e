"""Other services' events, put into the lines of the endpoints that want them."""

from collections.abc import Sequence
from datetime import timedelta

from common.backbone.consumer import Handler
from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import EVENT_TYPES
from intake.webhooks.usecases import hear_events


def heard_handler(*, keep: timedelta) -> Handler:
    """The handler of everything that other services tell.

    The consumer calls it once for each event, in the order of each subject, in the transaction that notes that it did:
    so nothing is put into a line twice, and nothing is left out.

    Args:
        keep: how long an endpoint that is disabled still collects.
    """

    async def apply(tx: Transaction, events: Sequence[Event]) -> None:
        await hear_events(tx, events, keep=keep)

    return Handler(
        name="webhooks",
        types=frozenset(name for name, known in EVENT_TYPES.items() if known.producer != "intake"),
        apply=apply,
    )
