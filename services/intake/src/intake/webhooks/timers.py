"""Periodic work on webhooks."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from common.timers import Periodic
from intake.webhooks.usecases import House, prune, reseal


def list_periodic(house: House) -> Sequence[Periodic]:
    """Old deliveries go; secrets follow the key that seals."""
    pruning = Periodic(name="prune-webhooks", every=timedelta(minutes=1), run=partial(prune, house=house))
    if house.sealer is None:
        return (pruning,)
    resealing = Periodic(
        name="reseal-webhook-keys", every=timedelta(minutes=10), run=partial(reseal, sealer=house.sealer)
    )
    return (pruning, resealing)
