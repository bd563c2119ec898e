"""Taking the steps that are due, with what each action does. The timer of a run calls this, nothing else does."""

from uuid import UUID

from common.calls import Call, CallKind, CallOutcome, add_calls
from common.ids import new_id
from common.transaction import Transaction
from common.webhooks import read_url
from contracts.envelope import subject_of
from contracts.escalation import EscalationLevelChanged
from escalation.calendars.usecases import get_calendar, open_hours
from escalation.escalations import store
from escalation.escalations.domain import LIVE, Run, Trigger, raised_tier
from escalation.escalations.keeping import RAISE_PRIORITY, Moved, keep
from escalation.escalations.policy import Action, Version
from escalation.escalations.stepping import Fired, Look, advance, plain_time, told_targets
from escalation.escalations.store import Level, Taken
from escalation.escalations.targets import Reach, addresses_of
from escalation.escalations.wording import facts_of, word
from escalation.handoffs.domain import Reason, Times
from escalation.handoffs.usecases import request_emergency
from escalation.notifications.domain import Channel, NewNotification
from escalation.notifications.usecases import notify
from escalation.sla.usecases import is_clock_open
from escalation.tickets.domain import Ticket
from escalation.tickets.usecases import lock_tickets

_LEVEL_REASONS = {
    Trigger.SLA: "breach",
    Trigger.MANUAL: "manual",
    Trigger.UNROUTABLE: "unroutable",
    Trigger.HANDOFF: "handoff",
}
_HANDOFF_REASONS = {Trigger.SLA: Reason.BREACH}


async def take_steps(tx: Transaction, run_id: UUID, generation: int, *, times: Times) -> None:
    """Look at a run again and do what is due. A timer that was overtaken changes nothing.

    Args:
        generation: the run's when the timer was set.
        times: of the handoffs that steps request.
    """
    seen = await store.find_run(tx.connection, run_id)
    if seen is None or seen.state not in LIVE or seen.generation != generation:
        return
    ticket = (await lock_tickets(tx, [seen.ticket_id])).get(seen.ticket_id)
    run = await store.lock_run(tx.connection, run_id)
    if ticket is None or run.state not in LIVE or run.generation != generation:
        return
    version = await store.get_version(tx.connection, run.policy_id, run.policy_version)
    reach = Reach(tx.connection, ticket, version)
    look = await _look(tx, run, ticket, version, reach)
    calendar_needed = any(step.clock == "business" for step in version.steps)
    open_time = (
        open_hours(await get_calendar(tx.connection, version.calendar_id)).add if calendar_needed else plain_time
    )
    advance_ = advance(run, version, look, open_time=open_time)
    # The events of a step come before those of what it does.
    await keep(tx, [Moved(run=advance_.run, told=advance_.told)])
    doing = _Doing(tx=tx, run=advance_.run, ticket=ticket, reach=reach, times=times)
    await store.add_steps(tx.connection, [await doing.take(fired) for fired in advance_.fired])


async def _look(tx: Transaction, run: Run, ticket: Ticket, version: Version, reach: Reach) -> Look:
    is_clock_done = run.clock_id is not None and not await is_clock_open(tx.connection, run.clock_id)
    return Look(
        now=tx.now,
        over=ticket.status if ticket.is_finished else "",
        is_clock_done=is_clock_done,
        is_served=_is_served(run, ticket),
        is_unowned=ticket.owner_id is None,
        unreachable=await reach.unreachable(version.steps),
    )


def _is_served(run: Run, ticket: Ticket) -> bool:
    """Without a clock, a run is for somebody else to take the ticket."""
    return run.trigger is not Trigger.SLA and ticket.owner_id is not None and ticket.owner_id != run.owner_at_start


class _Doing:
    """Does steps of one run in one transaction."""

    def __init__(self, *, tx: Transaction, run: Run, ticket: Ticket, reach: Reach, times: Times) -> None:
        self._tx = tx
        self._run = run
        self._ticket = ticket
        self._reach = reach
        self._times = times

    async def take(self, fired: Fired) -> Taken:
        reached: tuple[UUID, ...] = ()
        match fired.step.action:
            case Action.NOTIFY:
                reached = await self._notify(fired)
            case Action.WEBHOOK:
                await notify(self._tx, [self._to_system(fired)])
            case Action.RAISE_PRIORITY:
                await add_calls(self._tx, [self._raise_priority(fired)])
            case Action.RAISE_TIER:
                await self._raise_tier()
            case Action.HANDOFF:
                await self._hand_over(fired.step.tier)
        return Taken(
            run_id=self._run.run_id,
            round=fired.round,
            step=fired.number,
            action=fired.step.action.value,
            targets=told_targets(fired.step),
            reached=reached,
            fired_at=self._tx.now,
        )

    async def _notify(self, fired: Fired) -> tuple[UUID, ...]:
        agents = await self._reach.agents(fired.step)
        wanted = [
            self._wanted(fired, channel=Channel.EMAIL, address=address, target="email")
            for address in addresses_of(fired.step)
        ]
        if agents:
            target = ", ".join(target for target in fired.step.targets if not target.startswith("email:"))
            wanted.append(self._wanted(fired, channel=Channel.MESSAGE, address="", target=target, agents=agents))
        await notify(self._tx, wanted)
        return agents

    def _to_system(self, fired: Fired) -> NewNotification:
        target = f"webhook:{read_url(fired.step.url).host}"
        return self._wanted(fired, channel=Channel.WEBHOOK, address=fired.step.url, target=target)

    def _wanted(
        self, fired: Fired, *, channel: Channel, address: str, target: str, agents: tuple[UUID, ...] = ()
    ) -> NewNotification:
        words = word(self._run, fired, number=self._ticket.number, agents=agents)
        return NewNotification(
            ticket_id=self._ticket.ticket_id,
            channel=channel,
            address=address,
            target=target,
            subject=words.subject,
            text=words.text,
            facts=facts_of(self._run, fired),
            run_id=self._run.run_id,
            step=fired.number,
        )

    def _raise_priority(self, fired: Fired) -> Call:
        words = word(self._run, fired, number=self._ticket.number, agents=())
        return Call(
            call_id=new_id(),
            kind=RAISE_PRIORITY,
            aggregate_id=self._run.run_id,
            service="intake",
            method="POST",
            path=f"/v1/tickets/{self._ticket.ticket_id}/raise-priority",
            body={"reason": words.subject},
        )

    async def _raise_tier(self) -> None:
        """Whoever is given the ticket from now on has more experience; an owner stays until such a one accepts."""
        known = await store.find_level(self._tx.connection, self._ticket.ticket_id)
        required = max(known.tier_required, self._ticket.tier_required)
        owner_tier = self._ticket.owner_tier if self._ticket.owner_id else 0
        raised = raised_tier(owner_tier=owner_tier, tier_required=required)
        if raised > required:
            level = Level(level=known.level + 1, tier_required=raised)
            await store.save_level(self._tx.connection, self._ticket.ticket_id, level)
            told = EscalationLevelChanged(
                ticket_id=self._ticket.ticket_id,
                old=known.level,
                new=level.level,
                tier_required=raised,
                reason=_LEVEL_REASONS[self._run.trigger],
                run_id=self._run.run_id,
            )
            self._tx.add_events(subject_of("ticket", self._ticket.ticket_id), [told])
        await self._hand_over(raised)

    async def _hand_over(self, tier: int) -> None:
        """Ask somebody of this tier; 0 is one above the owner's. Needless requests are not made, see there."""
        wanted = tier or raised_tier(owner_tier=self._ticket.owner_tier, tier_required=1)
        reason = _HANDOFF_REASONS.get(self._run.trigger, Reason.NEEDS_SENIORITY)
        await request_emergency(
            self._tx, self._ticket.ticket_id, tier_required=wanted, times=self._times, reason=reason
        )


async def hear_priority(_tx: Transaction, _outcome: CallOutcome) -> None:
    """Nothing follows: intake tells of the new priority itself, and a refusal (the ticket is over) needs nothing."""


CALL_KINDS = (CallKind(kind=RAISE_PRIORITY, heard=hear_priority),)
"""What this slice wants to hear of calls."""
