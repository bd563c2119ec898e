"""One example of each event type of routing."""

from contracts import routing
from contracts.example_ids import AGENT, ASSIGNMENT, DECISION, EARLIER_ASSIGNMENT, NEEDS, NOON, OFFER, QUEUE, TICKET
from contracts.registry import Body

BODIES: tuple[Body, ...] = (
    routing.WorkEnqueued(
        ticket_id=TICKET,
        queue_id=QUEUE,
        weight=2,
        skills=NEEDS,
        tier_required=2,
        cause="new",
        enqueued_at=NOON,
        deadline=NOON.replace(hour=16),
    ),
    routing.WorkRequirementsRelaxed(ticket_id=TICKET, ring=2, lowered=NEEDS[:1]),
    routing.WorkUnroutable(ticket_id=TICKET, waited_s=90, missing=("skill:networking", "tier:3")),
    routing.WorkDequeued(ticket_id=TICKET, reason="resolved"),
    routing.AssignmentOffered(
        ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, expires_at=NOON.replace(minute=1), attempt=1
    ),
    routing.AssignmentAccepted(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT),
    routing.AssignmentDeclined(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, reason="busy"),
    routing.AssignmentOfferExpired(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT),
    routing.AssignmentOfferRescinded(ticket_id=TICKET, offer_id=OFFER, agent_id=AGENT, reason="cancelled"),
    routing.AssignmentAssigned(
        ticket_id=TICKET,
        assignment_id=ASSIGNMENT,
        agent_id=AGENT,
        agent_tier=2,
        method="auto",
        weight=2,
        decision_id=DECISION,
        replaces=EARLIER_ASSIGNMENT,
    ),
    routing.AssignmentUnassigned(ticket_id=TICKET, assignment_id=ASSIGNMENT, agent_id=AGENT, reason="resolved"),
    routing.AssignmentWeightChanged(
        ticket_id=TICKET, assignment_id=ASSIGNMENT, agent_id=AGENT, old_quarters=8, new_quarters=2
    ),
    routing.AgentRegistered(agent_id=AGENT, tier=2, max_weight=10, teams=("network",), languages=("en", "de")),
    routing.AgentUpdated(agent_id=AGENT, tier=3, max_weight=8, teams=("network",), languages=("en",)),
    routing.AgentDeactivated(agent_id=AGENT),
    routing.AgentPresenceChanged(agent_id=AGENT, old="offline", new="online", set_by="agent"),
    routing.AgentSkillChanged(agent_id=AGENT, skill="networking", old=2, new=3, approved_by=f"agent:{AGENT}"),
    routing.AgentTierChanged(agent_id=AGENT, old=1, new=2),
)
