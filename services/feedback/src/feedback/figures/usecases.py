"""What can be done with the figures: follow the topics, observe anew, compute, and show what stands behind."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from common.transaction import Transaction
from contracts.envelope import Event
from contracts.registry import decode_body
from feedback.figures import store
from feedback.figures.domain import Definition, Figure, Observation, Selection, Slice, check_slice
from feedback.figures.facts import Facts, follow
from feedback.figures.observing import RULE_VERSION, observe

_REOBSERVED = 500
"""Tickets that one transaction observes anew."""


async def follow_topics(tx: Transaction, events: Sequence[Event]) -> None:
    """Fold a batch of events, in their order per ticket and service, into facts, and keep what counts of them.

    Raises:
        msgspec.ValidationError: a body does not fit its type.
    """
    ids = sorted({UUID(event.subject_id) for event in events})
    known = await store.lock_facts(tx.connection, ids, rule_version=RULE_VERSION)
    facts = {ticket_id: each for ticket_id, (each, _) in known.items()}
    for event in events:
        body = decode_body(event)
        if body is not None:
            ticket_id = UUID(event.subject_id)
            facts[ticket_id] = follow(facts[ticket_id], body, at=event.time)
    await _keep(tx, known, facts)


async def observe_anew(tx: Transaction) -> None:
    """Observe some tickets that an older rule observed; a release that counts differently makes them all such."""
    ids = await store.list_outdated(tx.connection, rule_version=RULE_VERSION, limit=_REOBSERVED)
    if ids:
        known = await store.lock_facts(tx.connection, ids, rule_version=RULE_VERSION)
        await _keep(tx, known, {ticket_id: each for ticket_id, (each, _) in known.items()})


async def compute(
    connection: AsyncConnection, definition: Definition, selection: Selection, *, by: Slice | None = None
) -> tuple[Figure, list[tuple[str | None, Figure]]]:
    """A figure and its slices, if it is to be cut.

    Raises:
        InvalidInput: slice_unknown.
    """
    check_slice(definition, *selection.only, *([by] if by else []))
    return await store.compute(connection, definition.name, selection, by=by)


async def list_evidence(
    connection: AsyncConnection,
    definition: Definition,
    selection: Selection,
    *,
    after: tuple[datetime, UUID, str] | None,
    limit: int,
) -> list[Observation]:
    """The tickets behind a figure, in the order of time, ticket and key.

    Args:
        after: the last one of the page before.
    Raises:
        InvalidInput: slice_unknown.
    """
    check_slice(definition, *selection.only)
    return await store.list_evidence(connection, definition.name, selection, after=after, limit=limit)


async def _keep(tx: Transaction, known: Mapping[UUID, tuple[Facts, int]], facts: Mapping[UUID, Facts]) -> None:
    """Save what differs. Observations are a function of the facts, so those that stand are not read but made again."""
    changed = {ticket_id: each for ticket_id, each in facts.items() if known[ticket_id] != (each, RULE_VERSION)}
    if not changed:
        return
    # What another rule made of a ticket is not known here.
    foreign = [ticket_id for ticket_id in changed if known[ticket_id][1] != RULE_VERSION]
    await store.clear_observations(tx.connection, foreign)
    before = {
        each.identity: each
        for ticket_id in changed
        if known[ticket_id][1] == RULE_VERSION
        for each in observe(ticket_id, known[ticket_id][0])
    }
    after = {each.identity: each for ticket_id, now in changed.items() for each in observe(ticket_id, now)}
    await store.save_facts(tx.connection, changed, rule_version=RULE_VERSION)
    await store.delete_observations(tx.connection, before.keys() - after.keys())
    await store.save_observations(
        tx.connection, [each for identity, each in after.items() if before.get(identity) != each]
    )
