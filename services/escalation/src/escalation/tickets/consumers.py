"""Which events concern what is known of tickets."""

from collections.abc import Set as AbstractSet

from common.backbone.consumer import Handler
from escalation.tickets.domain import FACT_TYPES, LOGGED_TYPES
from escalation.tickets.usecases import apply_tickets


def tickets_handler(concerned: AbstractSet[str]) -> Handler:
    """The first of this service's handlers: the others read what it has written, under the locks that it took.

    Args:
        concerned: the events about tickets that any other handler follows.
    """
    return Handler(name="tickets", types=FACT_TYPES | LOGGED_TYPES | concerned, apply=apply_tickets)
