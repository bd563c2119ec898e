"""One attempt to deliver by webhook: signed, to a judged address, without redirects or proxies."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec

from common.clock import Clock
from common.webhooks import EVERYWHERE, Poster, headers_of, sign, signed_content
from escalation.notifications.domain import Delivery, Notification

TIMEOUT = timedelta(seconds=10)
"""Of one attempt, the looking-up and the whole answer included."""
_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """How webhooks leave. `secret` None: they are not set up."""

    secret: bytes | None
    poster: Poster
    clock: Clock

    async def deliver(self, notification: Notification) -> Delivery:
        """Post a notification once. Raises nothing: what goes wrong is the delivery's fault."""
        if self.secret is None:
            return Delivery(fault="no webhook secret is set up", is_refusal=True)
        at = self.clock.now()
        body = msgspec.json.encode(
            {
                "type": "escalation.notification",
                "timestamp": notification.created_at,
                "data": {
                    "notification_id": notification.notification_id,
                    "ticket_id": notification.ticket_id,
                    "run_id": notification.run_id,
                    "step": notification.step,
                    "target": notification.target,
                    "subject": notification.subject,
                    "text": notification.text,
                    **notification.facts,
                },
            }
        )
        content = signed_content(notification.notification_id, at=at, body=body)
        headers = headers_of(notification.notification_id, at=at, signatures=[sign(self.secret, content)])
        answer = await self.poster.post(notification.address, body, headers, at=at)
        if answer.ok:
            return Delivery()
        refused = answer.status is not None and 300 <= answer.status < 500 and answer.status not in _PASSING
        return Delivery(fault=answer.fault, is_refusal=refused or answer.is_unusable)


def open_poster(*, allow_private: bool, places: int) -> Poster:
    """What posts for `Webhooks`.

    Args:
        allow_private: whether they may go to addresses that are not public, and by plain HTTP.
        places: notifications under way at once.
    """
    return Poster(timeout=TIMEOUT, allowed=EVERYWHERE if allow_private else (), places=places)
