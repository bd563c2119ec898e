"""The worker role that sends calls. Several processes may run it: each call belongs to one of them at a time."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from opentelemetry import metrics

from common.calls.call import CallKind, CallOutcome, Reply, delay_after, judge
from common.calls.sending import CONCURRENCY, Peers
from common.calls.store import Claimed, claim_calls, delete_call, list_ages, lock_claimed, postpone_call
from common.database import Database
from common.errands import run_errands
from common.errors import Unavailable
from common.ids import new_id
from common.runtime import Role, Runtime
from common.settings import PeersSettings
from common.transaction import Origin

_log = logging.getLogger(__name__)
_MARGIN = timedelta(seconds=15)
"""How much longer than one attempt a lease is: for the settling, which may wait for locks."""
_SETTLING_PAUSES_S = (0.1, 0.3, 1.0, 3.0)
_GAUGE_S = 5.0

_meter = metrics.get_meter("frontline.calls")
_attempts = _meter.create_counter("frontline.calls.attempts", "{call}", "calls sent, by service, kind and outcome")
_durations = _meter.create_histogram("frontline.calls.duration", "s", "one attempt, by service")
_oldest = _meter.create_gauge("frontline.calls.oldest_due", "s", "how long the oldest due call waits, by service")
_unsettled = _meter.create_counter("frontline.calls.unsettled", "{call}", "attempts whose outcome nobody could hear")


def caller(kinds: Sequence[CallKind], peers: PeersSettings) -> Role:
    """The role, for `Service.roles["caller"]`.

    Args:
        kinds: who hears of outcomes; calls of other kinds are left alone.
    """

    async def run(runtime: Runtime) -> None:
        async with Peers(peers) as connected:
            await Caller(runtime.database, kinds, connected).run(beat=runtime.beat, stop=runtime.stopping)

    return run


class Caller:
    """Sends what is due, at most eight calls to one service at a time, until it is stopped."""

    def __init__(self, database: Database, kinds: Sequence[CallKind], peers: Peers) -> None:
        """Args: peers: stays open for as long as this runs."""
        self._database = database
        self._kinds = {kind.kind: kind for kind in kinds}
        self._peers = peers
        self._origin = Origin(actor=f"service:{database.source.rpartition('/')[2]}")
        self._measured = float("-inf")

    async def run(self, *, beat: Callable[[], None], stop: asyncio.Event) -> None:
        """Send until `stop` is set; then what is under way ends first. An absent database is waited for."""
        await run_errands(
            lanes=dict.fromkeys(self._peers.services, CONCURRENCY),
            claim=self._claim,
            carry_out=self._carry_out,
            beat=beat,
            stop=stop,
        )

    async def _claim(self, room: Mapping[str, int]) -> Sequence[Claimed]:
        await self._measure()
        async with self._database.begin(self._origin) as tx:
            return await claim_calls(
                tx,
                room=room,
                kinds=list(self._kinds),
                holder=new_id(),
                lease=self._peers.timeout + _MARGIN,
                asked=self._database.clock.monotonic(),
            )

    async def _carry_out(self, claimed: Claimed) -> None:
        if self._database.clock.monotonic() - claimed.asked > _MARGIN.total_seconds() / 2:
            # This process stood still since the claim: the lease might end while we send.
            return
        await self._settle(claimed, await self._send(claimed))

    async def _send(self, claimed: Claimed) -> Reply:
        if self._database.clock.now() > claimed.give_up_at:
            return Reply(status=None, fault="given_up")
        began = self._database.clock.monotonic()
        reply = await self._peers.send(claimed.call, claimed.origin)
        _durations.record(self._database.clock.monotonic() - began, {"service": claimed.call.service})
        return reply

    async def _settle(self, claimed: Claimed, reply: Reply) -> None:
        """Tell the outcome and end or postpone the call, in one transaction. Where that fails the attempt is repeated:
        the other side knows the key and answers the same again."""
        for pause in (*_SETTLING_PAUSES_S, None):
            try:
                await self._tell(claimed, reply)
                return
            except Unavailable as absent:
                _log.warning("a call's outcome waits", extra={"cause": absent.detail, "kind": claimed.call.kind})
                if pause is not None:
                    await asyncio.sleep(pause)
            except Exception:
                _log.exception("the outcome of call %s (%s) cannot be heard", claimed.call.call_id, claimed.call.kind)
                break
        _unsettled.add(1, {"kind": claimed.call.kind})
        await self._repeat_later(claimed, reply)

    async def _tell(self, claimed: Claimed, reply: Reply) -> None:
        call = claimed.call
        async with self._database.begin(claimed.origin) as tx:
            if not await lock_claimed(tx, claimed):
                _log.warning("call %s was taken over", call.call_id, extra={"kind": call.kind})
                return
            outcome = judge(call, attempt=claimed.attempt, reply=reply, now=tx.now, give_up_at=claimed.give_up_at)
            await self._kinds[call.kind].heard(tx, outcome)
            if outcome.is_final:
                await delete_call(tx, call.call_id)
            else:
                await postpone_call(tx, claimed, due_at=tx.now + delay_after(claimed.attempt, reply))
        _note(outcome)

    async def _repeat_later(self, claimed: Claimed, reply: Reply) -> None:
        try:
            async with self._database.begin(self._origin) as tx:
                await postpone_call(tx, claimed, due_at=tx.now + delay_after(claimed.attempt, reply))
        except Unavailable as absent:
            _log.warning("a call is repeated when its lease ends", extra={"cause": absent.detail})

    async def _measure(self) -> None:
        clock = self._database.clock
        if clock.monotonic() - self._measured < _GAUGE_S:
            return
        self._measured = clock.monotonic()
        async with self._database.read() as connection:
            ages = await list_ages(connection, now=clock.now())
        for service in self._peers.services:
            _oldest.set(ages.get(service, 0.0), {"service": service})


def _note(outcome: CallOutcome) -> None:
    call = outcome.call
    result = "done" if outcome.ok else "failed" if outcome.is_final else "retried"
    _attempts.add(1, {"service": call.service, "kind": call.kind, "outcome": result})
    if not outcome.ok:
        level = logging.ERROR if outcome.is_final else logging.WARNING
        facts = {"kind": call.kind, "to": call.service, "fault": outcome.fault, "attempt": outcome.attempt}
        _log.log(level, "call %s %s", call.call_id, result, extra=facts)
