"""Due work of surveys, and who hears of their calls."""

from collections.abc import Sequence
from uuid import UUID

from common.calls import CallKind
from common.timers import Timer
from common.transaction import Transaction
from feedback.surveys.sending import (
    EXPIRE_TIMER,
    LINK,
    REMIND_TIMER,
    REMINDER,
    SEND_TIMER,
    expire_due,
    hear_of_link,
    hear_of_reminder,
    remind_due,
    send_due,
)

CALLS = (CallKind(kind=LINK, heard=hear_of_link), CallKind(kind=REMINDER, heard=hear_of_reminder))


def list_timers(*, public_url: str) -> Sequence[Timer]:
    """The timers of this slice. Each looks at the survey's state, so that firing late or twice does nothing.

    Args:
        public_url: where customers reach the survey page.
    """

    async def send(tx: Transaction, survey_id: UUID, _generation: int) -> None:
        await send_due(tx, survey_id, public_url=public_url)

    async def remind(tx: Transaction, survey_id: UUID, _generation: int) -> None:
        await remind_due(tx, survey_id, public_url=public_url)

    async def expire(tx: Transaction, survey_id: UUID, _generation: int) -> None:
        await expire_due(tx, survey_id)

    return (
        Timer(kind=SEND_TIMER, fire=send),
        Timer(kind=REMIND_TIMER, fire=remind),
        Timer(kind=EXPIRE_TIMER, fire=expire),
    )
