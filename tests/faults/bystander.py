"""Tickets that faults themselves are about: opened like any other, then left alone by everybody."""

from dataclasses import dataclass

import asyncpg

from devstack.demo.customer import Customer
from devstack.demo.people import Person, until
from devstack.demo.story import write_story
from devstack.demo.tally import Tally
from tests.faults.world import NotMade, World, wait_for

LISTENERS = ("routing", "escalation", "feedback")
"""Who reads intake's topic."""
_KNOWN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Bystander:
    """An open ticket that somebody owns. `last_seq` is that of its last event of intake."""

    ticket_id: str
    last_seq: int

    @property
    def subject(self) -> str:
        """Its subject."""
        return f"ticket/{self.ticket_id}"


async def open_bystander(world: World, name: str) -> Bystander:
    """Open a ticket and wait until it is owned: then intake has no more to say of it by itself.

    Raises:
        NotMade: not everybody heard of it in time.
    """
    run = f"{name}-{world.chance.randrange(2**32)}"
    customer = Customer(
        house=world.house, story=write_story(world.chance.randrange(2**32), 1, rate=1.0), run=run, tally=Tally(wanted=1)
    )
    ticket_id: str = (await customer.open())["id"]
    reader = Person(house=world.house)

    async def owned() -> bool | None:
        ticket = await reader.get("intake", f"/v1/tickets/{ticket_id}")
        return True if ticket["owner_id"] else None

    await until(owned, what=f"an owner of {ticket_id}", within_s=world.house.patience_s)
    async with world.connected("intake") as connection:
        last_seq = await connection.fetchval("select seq from subject where subject = $1", f"ticket/{ticket_id}")
    ticket = Bystander(ticket_id=ticket_id, last_seq=last_seq)
    if not await wait_for(lambda: _is_known(world, ticket), within=_KNOWN_S):
        raise NotMade(f"not everybody had heard of {ticket.subject} in {_KNOWN_S:g} s")
    return ticket


async def _is_known(world: World, ticket: Bystander) -> bool:
    """Whether all who read intake's topic have applied all that it said of the ticket."""
    query = "select last_seq from subject_cursor where source = 'intake' and subject = $1"
    for service in LISTENERS:
        async with world.connected(service) as connection:
            if await connection.fetchval(query, ticket.subject) != ticket.last_seq:
                return False
    return True


async def read_events(connection: asyncpg.Connection, subject: str) -> list[asyncpg.Record]:
    """A subject's events as the service keeps them."""
    return await connection.fetch(
        "select seq, key, headers, payload from event where subject = $1 order by seq", subject
    )
