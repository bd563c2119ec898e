"""What people can do with escalations: begin one, take notice, stop it, want its next step now; and read them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.errors import StaleVersion
from common.transaction import Transaction
from contracts.registry import Body
from escalation.escalations import domain, store
from escalation.escalations.domain import NoPolicy, Run, RunExists, RunState, TicketOver, Trigger, tell_started
from escalation.escalations.following import begin
from escalation.escalations.keeping import Moved, keep
from escalation.escalations.policy import Version, choose
from escalation.escalations.store import Level, Taken
from escalation.tickets.usecases import lock_ticket


async def escalate(tx: Transaction, ticket_id: UUID, *, reason: str) -> Run:
    """Begin a run by hand; its first step follows at once.

    Args:
        reason: for people; it is told to those who are notified.
    Raises:
        NotFound: the ticket is not known here.
        TicketOver: it is resolved or over.
        NoPolicy: no active policy is for it and begins by hand.
        RunExists: a run that was begun by hand goes on.
    """
    ticket = await lock_ticket(tx, ticket_id)
    if ticket.is_finished:
        raise TicketOver(f"the ticket is {ticket.status}: nothing is left to escalate")
    running = [run for run in await store.lock_live(tx.connection, [ticket_id]) if run.trigger is Trigger.MANUAL]
    if running:
        raise RunExists(f"escalation {running[0].run_id} goes on already")
    version = choose(await store.list_active(tx.connection), trigger=Trigger.MANUAL, facts=ticket.facts())
    if version is None:
        raise NoPolicy
    run = begin(ticket, version, Trigger.MANUAL, at=tx.now, now=tx.now, reason=reason)
    await keep(tx, [Moved(run=run, told=[tell_started(run)])])
    return run


async def acknowledge(tx: Transaction, run_id: UUID, *, if_match: int) -> Run:
    """Take notice: the steps rest for the policy's time-out.

    Raises:
        NotFound: there is no such run.
        StaleVersion: `if_match` is not its version.
        RunOver: it has ended.
    """

    def decide(run: Run, version: Version) -> tuple[Run, Sequence[Body]]:
        until = tx.now + timedelta(seconds=version.ack_timeout_s)
        return domain.acknowledge(run, by=tx.origin.actor, at=tx.now, until=until)

    return await _command(tx, run_id, if_match, decide)


async def stop(tx: Transaction, run_id: UUID, *, if_match: int) -> Run:
    """End a run. Raises: as `acknowledge`."""
    return await _command(tx, run_id, if_match, lambda run, _: domain.stop_by_hand(run, at=tx.now))


async def raise_further(tx: Transaction, run_id: UUID, *, if_match: int) -> Run:
    """Want the next step now, whatever it waits for; it follows at once.

    Raises:
        RaisePending: it was wanted already.
        NotFound, StaleVersion, RunOver: as `acknowledge`.
    """
    return await _command(tx, run_id, if_match, lambda run, _: (domain.hurry(run, at=tx.now), ()))


async def get_run(connection: AsyncConnection, run_id: UUID) -> tuple[Run, Sequence[Taken]]:
    """One run and the steps it took.

    Raises:
        NotFound: there is no such run.
    """
    run = await store.get_run(connection, run_id)
    return run, (await store.list_steps(connection, [run_id])).get(run_id, ())


async def list_runs(
    connection: AsyncConnection,
    *,
    ticket_id: UUID | None,
    states: Sequence[RunState],
    before: UUID | None,
    limit: int,
) -> list[tuple[Run, Sequence[Taken]]]:
    """A page of runs with the steps they took, the latest first."""
    runs = await store.list_runs(connection, ticket_id=ticket_id, states=states, before=before, limit=limit)
    steps = await store.list_steps(connection, [run.run_id for run in runs])
    return [(run, steps.get(run.run_id, ())) for run in runs]


async def find_level(connection: AsyncConnection, ticket_id: UUID) -> Level:
    """How high a ticket was escalated; level 0 where it never was."""
    return await store.find_level(connection, ticket_id)


async def _command(
    tx: Transaction, run_id: UUID, if_match: int, decide: Callable[[Run, Version], tuple[Run, Sequence[Body]]]
) -> Run:
    seen = await store.get_run(tx.connection, run_id)
    await lock_ticket(tx, seen.ticket_id)
    run = await store.lock_run(tx.connection, run_id)
    if run.version != if_match:
        raise StaleVersion
    version = await store.get_version(tx.connection, run.policy_id, run.policy_version)
    decided, told = decide(run, version)
    await keep(tx, [Moved(run=decided, told=told)])
    return decided
