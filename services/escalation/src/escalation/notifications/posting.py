"""One attempt to deliver by webhook: signed, to a judged address, without redirects or proxies."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx
import msgspec

from common.clock import Clock
from escalation.notifications.addresses import Destination, ForbiddenAddress, find_destination
from escalation.notifications.domain import Delivery, Notification
from escalation.notifications.signing import sign

TIMEOUT = timedelta(seconds=10)
"""Of one attempt, the looking-up and the whole answer included."""
_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """How webhooks leave. `secret` None: they are not set up."""

    secret: bytes | None
    allow_private: bool
    client: httpx.AsyncClient
    clock: Clock

    async def deliver(self, notification: Notification) -> Delivery:
        """Post a notification once. Raises nothing: what goes wrong is the delivery's fault."""
        if self.secret is None:
            return Delivery(fault="no webhook secret is set up", is_refusal=True)
        try:
            async with asyncio.timeout(TIMEOUT.total_seconds()):
                destination = await find_destination(notification.address, allow_private=self.allow_private)
                return await self._post(notification, destination, self.secret)
        except ForbiddenAddress as forbidden:
            return Delivery(fault=str(forbidden), is_refusal=True)
        except TimeoutError:
            return Delivery(fault="timeout")
        except (httpx.HTTPError, OSError) as failed:
            return Delivery(fault=f"{type(failed).__name__}: {failed}")
        except (httpx.InvalidURL, ValueError) as unusable:
            # What cannot be said in HTTP today cannot be said tomorrow.
            return Delivery(fault=f"{type(unusable).__name__}: the URL cannot be called", is_refusal=True)

    async def _post(self, notification: Notification, destination: Destination, secret: bytes) -> Delivery:
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
        headers = {
            "host": destination.authority,
            "content-type": "application/json",
            **sign(secret, webhook_id=notification.notification_id, at=at, body=body),
        }
        # The certificate must be of the host that the URL names, though we connect by its address.
        extensions = {"sni_hostname": destination.host}
        request = self.client.build_request(
            "POST", destination.url, content=body, headers=headers, extensions=extensions
        )
        response = await self.client.send(request, stream=True)
        await response.aclose()
        if response.is_success:
            return Delivery()
        refusal = 300 <= response.status_code < 500 and response.status_code not in _PASSING
        return Delivery(fault=f"status {response.status_code}", is_refusal=refusal)


def open_client() -> httpx.AsyncClient:
    """A client for `Webhooks`; close it in the end. No connection is kept: the next address is judged anew."""
    return httpx.AsyncClient(
        timeout=TIMEOUT.total_seconds(),
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
        follow_redirects=False,
    )
