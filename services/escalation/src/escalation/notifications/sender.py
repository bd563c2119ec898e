"""The worker role that delivers webhooks and mail. Several processes may run it, each with its own."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from opentelemetry import metrics

from common.database import Database
from common.errands import run_errands
from common.errors import Unavailable
from common.ids import new_id
from common.runtime import Role, Runtime
from common.transaction import Origin
from escalation.notifications import mailing, posting
from escalation.notifications.domain import Channel, Delivery
from escalation.notifications.mailing import Mail
from escalation.notifications.posting import Webhooks, open_poster
from escalation.notifications.store import Claimed, claim_due
from escalation.notifications.usecases import settle_claimed

_log = logging.getLogger(__name__)
_CONCURRENCY = 8
_LONGEST_PAUSE_S = 0.5
"""Who waits for mail does not see half a second."""
_LEASE = timedelta(seconds=90) + 2 * max(mailing.TIMEOUT, posting.TIMEOUT)
"""A conversation with a mail server has several steps, each with its own limit, and one limit over all."""
_LIMIT = timedelta(seconds=60)
_SETTLING_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
_ORIGIN = Origin(actor="service:escalation")
_attempts = metrics.get_meter("frontline.escalation").create_counter(
    "frontline.notifications.attempts", "{attempt}", "webhooks and mails tried, by channel and outcome"
)


def notifier(mail: Mail, *, webhook_secret: bytes | None, allow_private: bool) -> Role:
    """The role, for `Service.roles["notifier"]`.

    Args:
        allow_private: whether webhooks may go to addresses that are not public, and by plain HTTP.
    """

    async def run(runtime: Runtime) -> None:
        async with open_poster(allow_private=allow_private, places=_CONCURRENCY) as poster:
            webhooks = Webhooks(secret=webhook_secret, poster=poster, clock=runtime.clock)
            await Notifier(runtime.database, mail, webhooks).run(beat=runtime.beat, stop=runtime.stopping)

    return run


class Notifier:
    """Delivers what is due, at most eight at a time by each channel, until it is stopped."""

    def __init__(self, database: Database, mail: Mail, webhooks: Webhooks) -> None:
        """Args: webhooks: its poster stays open for as long as this runs."""
        self._database = database
        self._mail = mail
        self._webhooks = webhooks

    async def run(self, *, beat: Callable[[], None], stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; then what is under way ends first. An absent database is waited for."""
        await run_errands(
            lanes={Channel.WEBHOOK.value: _CONCURRENCY, Channel.EMAIL.value: _CONCURRENCY},
            claim=self._claim,
            carry_out=self._carry_out,
            beat=beat,
            stop=stop,
            longest_pause_s=_LONGEST_PAUSE_S,
        )

    async def _claim(self, room: Mapping[str, int]) -> Sequence[Claimed]:
        async with self._database.begin(_ORIGIN) as tx:
            return await claim_due(tx, room=room, holder=new_id(), lease=_LEASE)

    async def _carry_out(self, claimed: Claimed) -> None:
        try:
            async with asyncio.timeout(_LIMIT.total_seconds()):
                delivery = await self._deliver(claimed)
        except TimeoutError:
            delivery = Delivery(fault="timeout")
        except Exception as failed:
            # One row that nobody can deliver must not end the role, and with it its siblings' deliveries: they would
            # be repeated when it is started again, and so would this one.
            # The error's own text may hold the address.
            stack = "".join(traceback.format_tb(failed.__traceback__))
            facts = {"fault": type(failed).__name__, "stack": stack}
            _log.error("notification %s cannot be delivered", claimed.notification.notification_id, extra=facts)
            delivery = Delivery(fault=f"{type(failed).__name__}: it cannot be delivered", is_refusal=True)
        outcome = "refused" if delivery.is_refusal else "failed" if delivery.fault else "sent"
        _attempts.add(1, {"channel": claimed.lane, "outcome": outcome})
        if delivery.fault:
            facts = {"channel": claimed.lane, "fault": delivery.fault}
            _log.warning("notification %s %s", claimed.notification.notification_id, outcome, extra=facts)
        await self._settle(claimed, delivery)

    async def _deliver(self, claimed: Claimed) -> Delivery:
        if claimed.notification.channel is Channel.EMAIL:
            return await self._mail.deliver(claimed.notification)
        return await self._webhooks.deliver(claimed.notification)

    async def _settle(self, claimed: Claimed, delivery: Delivery) -> None:
        """Keep the outcome; where that fails for long, the attempt is repeated when the lease ends."""
        for pause in (*_SETTLING_PAUSES_S, None):
            try:
                async with self._database.begin(_ORIGIN) as tx:
                    await settle_claimed(tx, claimed, delivery)
                    return
            except Unavailable as absent:
                _log.warning("a notification's outcome waits", extra={"cause": absent.detail})
                if pause is not None:
                    await asyncio.sleep(pause)
