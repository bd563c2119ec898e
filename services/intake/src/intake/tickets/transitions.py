"""What moves a ticket from which status to which: every allowed move, as data."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from intake.tickets.domain import Status


class Trigger(StrEnum):
    """What moves a ticket: commands first, then facts."""

    WAIT_FOR_CUSTOMER = "wait_for_customer"
    HOLD = "hold"
    RESUME = "resume"
    RESOLVE = "resolve"
    CONFIRM = "confirm"
    CLOSE = "close"
    REOPEN = "reopen"
    CANCEL = "cancel"
    RESTORE = "restore"

    ASSIGNED = "assigned"
    AGENT_WROTE = "agent_wrote"
    CUSTOMER_WROTE = "customer_wrote"
    RESUME_DUE = "resume_due"
    CLOSE_DUE = "close_due"
    SURVEY_REOPENED = "survey_reopened"


FACTS = frozenset(
    {
        Trigger.ASSIGNED,
        Trigger.AGENT_WROTE,
        Trigger.CUSTOMER_WROTE,
        Trigger.RESUME_DUE,
        Trigger.CLOSE_DUE,
        Trigger.SURVEY_REOPENED,
    }
)

ALLOWED: Mapping[tuple[Status, Trigger], Status] = MappingProxyType(
    {
        (Status.NEW, Trigger.ASSIGNED): Status.OPEN,
        (Status.NEW, Trigger.AGENT_WROTE): Status.OPEN,
        (Status.NEW, Trigger.HOLD): Status.ON_HOLD,
        (Status.NEW, Trigger.RESOLVE): Status.RESOLVED,
        (Status.NEW, Trigger.CANCEL): Status.CANCELLED,
        (Status.OPEN, Trigger.WAIT_FOR_CUSTOMER): Status.PENDING_CUSTOMER,
        (Status.OPEN, Trigger.HOLD): Status.ON_HOLD,
        (Status.OPEN, Trigger.RESOLVE): Status.RESOLVED,
        (Status.OPEN, Trigger.CANCEL): Status.CANCELLED,
        (Status.PENDING_CUSTOMER, Trigger.CUSTOMER_WROTE): Status.OPEN,
        (Status.PENDING_CUSTOMER, Trigger.RESUME): Status.OPEN,
        (Status.PENDING_CUSTOMER, Trigger.HOLD): Status.ON_HOLD,
        (Status.PENDING_CUSTOMER, Trigger.RESOLVE): Status.RESOLVED,
        (Status.PENDING_CUSTOMER, Trigger.CANCEL): Status.CANCELLED,
        (Status.ON_HOLD, Trigger.CUSTOMER_WROTE): Status.OPEN,
        (Status.ON_HOLD, Trigger.RESUME): Status.OPEN,
        (Status.ON_HOLD, Trigger.RESUME_DUE): Status.OPEN,
        (Status.ON_HOLD, Trigger.WAIT_FOR_CUSTOMER): Status.PENDING_CUSTOMER,
        (Status.ON_HOLD, Trigger.RESOLVE): Status.RESOLVED,
        (Status.ON_HOLD, Trigger.CANCEL): Status.CANCELLED,
        (Status.RESOLVED, Trigger.CUSTOMER_WROTE): Status.OPEN,
        (Status.RESOLVED, Trigger.REOPEN): Status.OPEN,
        (Status.RESOLVED, Trigger.CONFIRM): Status.CLOSED,
        (Status.RESOLVED, Trigger.CLOSE): Status.CLOSED,
        (Status.RESOLVED, Trigger.CLOSE_DUE): Status.CLOSED,
        (Status.RESOLVED, Trigger.SURVEY_REOPENED): Status.OPEN,
        (Status.CANCELLED, Trigger.RESTORE): Status.OPEN,
    }
)
"""The whole table. A move may have a guard besides, in its decision in `lifecycle`."""
