"""Handoffs raced on the whole real stack: never two owners, never none after an acceptance, one outcome for each.

Each round opens a ticket of its own and lets the racers go at once; rounds run side by side. What happened is read from
routing's tables and from the topics, not from the answers alone.
"""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.races import (
    ROUNDS,
    Round,
    acting_for,
    check_ownership,
    open_arena,
    outcomes_of,
    told,
)
from tests.support.stack import Stack

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


async def test_accept_against_withdraw(stack: Stack) -> None:
    async with open_arena(stack, "withdraw-race") as arena:
        sender = await arena.agent("sender")

        async def late_accept(handoff: dict[str, Any], number: int) -> httpx.Response:
            """At once, a few round trips later, or when the recall is on its way to routing."""

            async def recalled() -> bool:
                return (await arena.escalation.get(f"/v1/handoffs/{handoff['id']}")).json()["ending"] != ""

            for _ in range(number % 5):
                await recalled()
            if number % 5 == 4:
                await eventually(recalled)
            return await arena.accept(handoff, by_proxy=number % 3 == 0)

        async def race(number: int) -> Round:
            ticket_id = await arena.open_owned(number, sender)
            handoff_id = await arena.request(ticket_id, sender)
            handoff = await arena.offered(handoff_id)
            accepted, withdrawn = await asyncio.gather(late_accept(handoff, number), arena.withdraw(handoff))
            answers = {"accept": accepted, "withdraw": withdrawn}
            return Round(ticket_id=ticket_id, sender=sender, handoff_id=handoff_id, answers=answers)

        rounds = await arena.run(race)
        won: Counter[str] = Counter()
        for each in rounds:
            handoff = await arena.settled(each.handoff_id)
            owner = await arena.owner(each.ticket_id)
            won[handoff["state"]] += 1
            if handoff["state"] == "accepted":
                assert each.codes == {"accept": 200, "withdraw": 409}, told(each)
                assert each.answers["withdraw"].json()["code"] == "handoff_accepted"
                assert owner == arena.seniors[0]
            else:
                assert handoff["state"] == "withdrawn"
                assert each.codes == {"accept": 409, "withdraw": 200}, told(each)
                assert each.answers["withdraw"].json()["state"] == "withdrawn"
                assert owner == sender
        outcomes = await outcomes_of(stack, rounds)
        assert Counter(outcomes.values()) == won
        assert len(outcomes) == ROUNDS
        await check_ownership(stack, rounds)
        print(dict(won))  # noqa: T201 - who won how often, for whoever asks with -s


async def test_accept_against_resolve(stack: Stack) -> None:
    """The resolution goes before intake shows the handoff and refuses it; a senior takes whatever is offered."""
    async with open_arena(stack, "resolve-race") as arena:
        sender = await arena.agent("sender")

        async def resolve(ticket_id: str) -> httpx.Response:
            version = (await arena.intake.get(f"/v1/tickets/{ticket_id}")).headers["etag"]
            body = {"resolution_code": "fixed", "resolution_summary": "Updated.", "skip_reason": "known fault"}
            return await arena.intake.post(
                f"/v1/tickets/{ticket_id}/resolve", json=body, headers={**acting_for(sender), "If-Match": version}
            )

        async def race(number: int) -> Round:
            ticket_id = await arena.open_owned(number, sender)
            handoff_id = ""
            if number % 2:
                handoff_id = await arena.request(ticket_id, sender)
                accepted, resolved = await asyncio.gather(arena.take_when_offered(ticket_id), resolve(ticket_id))
            else:
                made, accepted, resolved = await asyncio.gather(
                    arena.hand_over(ticket_id, sender), arena.take_when_offered(ticket_id), resolve(ticket_id)
                )
                handoff_id = made.json()["id"] if made.status_code == 201 else ""
                assert made.status_code in (201, 409), made.text
                if made.status_code == 409:
                    assert made.json()["code"] in ("ticket_over", "not_owner"), made.text
            answers = {"resolve": resolved} | ({"accept": accepted} if accepted is not None else {})
            return Round(ticket_id=ticket_id, sender=sender, handoff_id=handoff_id, answers=answers)

        rounds = await arena.run(race)
        for each in rounds:
            codes = each.codes
            assert codes["resolve"] in (200, 409), told(each)
            if codes["resolve"] == 409:
                assert each.answers["resolve"].json()["code"] == "handoff_open", told(each)
            if codes.get("accept", 200) != 200:
                assert codes["accept"] == 409, told(each)
                assert each.answers["accept"].json()["code"] == "offer_ended"
            if not each.handoff_id:
                continue
            handoff = await arena.settled(each.handoff_id)
            if handoff["state"] == "withdrawn":
                assert handoff["ending"] == "resolved"
                assert codes["resolve"] == 200
                assert codes.get("accept") != 200
            else:
                assert handoff["state"] in ("accepted", "completed")
                assert codes["accept"] == 200

            async def ended_well(each: Round = each) -> bool:
                owner = await arena.owner(each.ticket_id)
                return owner == (None if each.codes["resolve"] == 200 else arena.seniors[0])

            await eventually(ended_well, within=30)
        outcomes = await outcomes_of(stack, rounds)
        assert len(outcomes) == len([each for each in rounds if each.handoff_id])
        await check_ownership(stack, rounds)
        print(Counter(str(each.codes) for each in rounds))  # noqa: T201 - who won how often, for whoever asks with -s


async def test_two_acceptors(stack: Stack) -> None:
    """One senior answers twice, yes and no at once, by both ways; a second one takes it where the first is out."""
    async with open_arena(stack, "two-acceptors", seniors=2) as arena:
        sender = await arena.agent("sender")

        async def race(number: int) -> Round:
            ticket_id = await arena.open_owned(number, sender)
            handoff_id = await arena.request(ticket_id, sender)
            handoff = await arena.offered(handoff_id)
            decline = arena.routing.post(
                f"/v1/offers/{handoff['offer_id']}/decline",
                json={"reason": "busy"},
                headers=acting_for(handoff["offered_to"]),
            )
            racers = {
                "direct": arena.accept(handoff, by_proxy=False),
                "proxy": arena.accept(handoff, by_proxy=True),
                "decline": decline,
            }
            order = sorted(racers, key=lambda name: (name == "decline") != bool(number % 2))
            found = await asyncio.gather(*(racers[name] for name in order))
            # Where the no was first, the other senior is asked next; only one of them is ever taken at the word.
            second = await arena.take_when_offered(ticket_id)
            answers = dict(zip(order, found, strict=True)) | ({"second": second} if second is not None else {})
            return Round(ticket_id=ticket_id, sender=sender, handoff_id=handoff_id, answers=answers)

        rounds = await arena.run(race)
        for each in rounds:
            handoff = await arena.settled(each.handoff_id)
            assert handoff["state"] == "accepted", told(each)
            assert await arena.owner(each.ticket_id) == handoff["receiver_id"]
            first_took = handoff["declines"] == 0
            for name, status in each.codes.items():
                assert status in (200, 409), told(each)
                if status == 409:
                    code = each.answers[name].json()["code"]
                    assert code in ("offer_ended", "not_offered", "handoff_accepted"), told(each)
            assert (each.codes["decline"] == 200) is not first_took, told(each)
            if not first_took:
                assert each.codes["direct"] == 409
        print(Counter(str(each.codes) for each in rounds))  # noqa: T201 - who won how often, for whoever asks with -s
        assert Counter((await outcomes_of(stack, rounds)).values()) == {"accepted": ROUNDS}
        await check_ownership(stack, rounds)


@pytest.mark.parametrize("leaves", ["deactivated", "requeued"])
async def test_the_sender_leaves_while_it_is_offered(stack: Stack, leaves: str) -> None:
    """Nobody else can take the ticket itself, so it waits; whoever accepts the handoff owns it."""
    async with open_arena(stack, f"leaving-{leaves}") as arena:
        senders = [await arena.agent(f"sender-{n}", skill=f"{arena.name}-work-{n}") for n in range(ROUNDS)]

        async def leave(ticket_id: str, sender: str, version: str) -> httpx.Response:
            if leaves == "deactivated":
                return await arena.routing.post(f"/v1/agents/{sender}/deactivate")
            away = await arena.routing.put(f"/v1/agents/{sender}/presence", json={"presence": "away"})
            assert away.status_code == 200, away.text
            return await arena.routing.post(
                f"/v1/work-items/{ticket_id}/requeue", json={}, headers={"If-Match": version}
            )

        async def race(number: int) -> Round:
            sender = senders[number]
            ticket_id = await arena.open_owned(number, sender, skill=f"{arena.name}-work-{number}")
            handoff_id = await arena.request(ticket_id, sender)
            handoff = await arena.offered(handoff_id)
            # Decided before the race: whoever is overtaken by the acceptance must not requeue the receiver's ticket.
            version = (await arena.routing.get(f"/v1/work-items/{ticket_id}")).headers["etag"]
            racers = {
                "accept": arena.accept(handoff, by_proxy=number % 3 == 0),
                "leave": leave(ticket_id, sender, version),
            }
            order = sorted(racers, reverse=bool(number % 2))
            found = await asyncio.gather(*(racers[name] for name in order))
            second = await arena.take_when_offered(ticket_id)
            answers = dict(zip(order, found, strict=True)) | ({"second": second} if second is not None else {})
            return Round(ticket_id=ticket_id, sender=sender, handoff_id=handoff_id, answers=answers)

        rounds = await arena.run(race)
        for each in rounds:
            assert each.codes["leave"] in ((200,) if leaves == "deactivated" else (200, 409, 412)), told(each)
            assert set(each.codes.values()) <= {200, 409, 412}, told(each)
            handoff = await arena.settled(each.handoff_id)
            assert handoff["state"] == "accepted", f"{handoff} {told(each)}"

            async def owned(each: Round = each) -> bool:
                return await arena.owner(each.ticket_id) == arena.seniors[0]

            await eventually(owned, within=30)
        assert Counter((await outcomes_of(stack, rounds)).values()) == {"accepted": ROUNDS}
        await check_ownership(stack, rounds)
