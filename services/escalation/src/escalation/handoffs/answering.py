"""Commands in steps: answers to offers, which routing carries out, and withdrawals, which it must confirm.

No transaction is open while routing is called or waited for. A repeat has no further effect: an offer's answer goes
out under a key derived from the offer, and a withdrawal repeated finds the same outcome.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid5

from common.calls import Call, Peers, Reply
from common.database import Database
from common.errors import Conflict, Forbidden, Unavailable
from common.settings import PeersSettings
from common.transaction import Origin
from common.web import LongPoll
from escalation.handoffs import lifecycle, usecases
from escalation.handoffs.domain import DeclineReason, Handoff, NotOffered, State

_WITHIN = timedelta(seconds=2)
_LOOK_EVERY = timedelta(milliseconds=50)


async def accept(database: Database, poll: LongPoll, peers: PeersSettings, origin: Origin, handoff_id: UUID) -> Handoff:
    """Take an offered handoff: routing moves the ownership, and we wait a moment until that is heard here.

    Raises:
        NotFound: there is no such handoff.
        Conflict: `not_offered, handoff_accepted, handoff_state`, or routing's own, such as `offer_ended`.
        Unavailable: routing does not answer; repeat.
    """
    handoff = await _get(database, handoff_id)
    if handoff.state in (State.ACCEPTED, State.COMPLETED) and handoff.receiver_id == origin.agent_id:
        return handoff
    await _answer(peers, origin, handoff, "accept", {})

    async def moved() -> Handoff | None:
        now = await _get(database, handoff_id)
        return now if now.state is not State.REQUESTED else None

    # Routing has said yes, so this is no refusal even where the news takes longer.
    return await poll.until(moved, within=_WITHIN, every=_LOOK_EVERY) or await _get(database, handoff_id)


async def decline(
    database: Database,
    poll: LongPoll,
    peers: PeersSettings,
    origin: Origin,
    handoff_id: UUID,
    reason: DeclineReason,
) -> Handoff:
    """Hand an offer back: routing asks the next candidate, and where nobody is left the handoff is declined.

    Raises:
        NotFound: there is no such handoff.
        Conflict: `not_offered, handoff_accepted, handoff_state`, or routing's own, such as `offer_ended`.
        Unavailable: routing does not answer; repeat.
    """
    handoff = await _get(database, handoff_id)
    offer_id = handoff.offer_id
    await _answer(peers, origin, handoff, "decline", {"reason": reason})

    async def moved() -> Handoff | None:
        now = await _get(database, handoff_id)
        return now if now.offer_id != offer_id else None

    return await poll.until(moved, within=_WITHIN, every=_LOOK_EVERY) or await _get(database, handoff_id)


async def withdraw(database: Database, poll: LongPoll, origin: Origin, handoff_id: UUID, *, if_match: int) -> Handoff:
    """Take a request back, and wait for routing to say whether somebody was faster.

    Returns:
        The handoff when nobody accepted it.
    Raises:
        Unavailable: `undecided`: it is recalled, and routing has not said within 2 s what came of it; repeat.
        Others: see `usecases.withdraw_handoff`.
    """
    async with database.begin(origin) as tx:
        handoff = await usecases.withdraw_handoff(tx, handoff_id, if_match=if_match)
    if handoff.state is not State.REQUESTED:
        return handoff

    async def settled() -> Handoff | None:
        now = await _get(database, handoff_id)
        return now if now.state is not State.REQUESTED else None

    outcome = await poll.until(settled, within=_WITHIN, every=_LOOK_EVERY)
    if outcome is None:
        # Neither yes nor no would be true yet.
        raise Unavailable("the handoff is recalled; whether somebody was faster is not known yet", code="undecided")
    lifecycle.refuse_ended(outcome)
    return outcome


async def _get(database: Database, handoff_id: UUID) -> Handoff:
    async with database.read() as connection:
        return await usecases.get_handoff(connection, handoff_id)


async def _answer(
    peers: PeersSettings, origin: Origin, handoff: Handoff, verb: str, body: Mapping[str, object]
) -> None:
    lifecycle.refuse_over(handoff)
    if handoff.offer_id is None or origin.agent_id not in (None, handoff.offered_to):
        raise NotOffered
    call = Call(
        call_id=uuid5(handoff.offer_id, verb),
        kind="",
        aggregate_id=handoff.handoff_id,
        service="routing",
        method="POST",
        path=f"/v1/offers/{handoff.offer_id}/{verb}",
        body=body,
        actor=f"agent:{handoff.offered_to}",
    )
    async with Peers(peers) as connections:
        reply = await connections.send(call, origin)
    _raise_refusal(reply)


def _raise_refusal(reply: Reply) -> None:
    """Say again what routing refused, in its own words; what is wrong between us and it is no refusal."""
    if reply.ok:
        return
    match reply.status, reply.fault:
        case 403, "not_your_offer":
            raise Forbidden(_detail(reply), code=reply.fault)
        case 404, _:
            raise NotOffered
        case 409, code if reply.retry_after is None:
            raise Conflict(_detail(reply), code=code)
        case _:
            raise Unavailable(f"routing did not take the answer: {reply.fault or reply.status}")


def _detail(reply: Reply) -> str:
    answer = reply.answer
    detail: object = answer.get("detail") if isinstance(answer, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON of another service
    return detail if isinstance(detail, str) else "routing refuses it"
