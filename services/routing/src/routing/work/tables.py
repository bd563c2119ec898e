"""Tables of work, of who has it, and of why.

A ticket's own work and its handoffs stand in two tables with nearly the same columns, so that everything that counts or
lists what waits at a desk reads nothing else. Offers and decisions are of either: `handoff_id` says of which.

No foreign keys: their checks lock the rows they point at, in the order of inserts, which would break the one order of
locks; whoever writes here has locked the agent, and no agent or desk is ever deleted.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

from routing.metadata import METADATA


def _columns_of_work() -> tuple[SchemaItem, ...]:
    """What both kinds of work have, but for the key."""
    return (
        Column("pool", Text, nullable=False),
        Column("queue_id", Uuid, nullable=False),
        Column("state", Text, nullable=False),
        Column("priority", Text, nullable=False),
        Column("weight", SmallInteger, nullable=False),
        Column("tier_required", SmallInteger, nullable=False),
        Column("needs", JSONB, nullable=False),
        Column("language", Text, nullable=False),
        Column("tau_s", Integer, nullable=False),
        Column("enqueued_at", DateTime(timezone=True), nullable=False),
        Column("deadline", DateTime(timezone=True), nullable=False),
        Column("paused_at", DateTime(timezone=True), nullable=True),
        Column("paused_s", Float, nullable=False),
        Column("pinned", Boolean, nullable=False),
        Column("ring", SmallInteger, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("hand_backs", Integer, nullable=False),
        Column("excluded", JSONB, nullable=False),
        Column("missing", ARRAY(Text), nullable=False),
        Column("correlation_id", Text, nullable=False),
        Column("causation_id", Text, nullable=False),
        Column("traceparent", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("preferred", Uuid, nullable=True),
    )


work_item = Table(
    "work_item",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    *_columns_of_work(),
    postgresql_with={"fillfactor": 80},
)
_waits = work_item.c.state == "queued"
Index("work_item_waiting", work_item.c.queue_id, work_item.c.deadline, work_item.c.ticket_id, postgresql_where=_waits)
Index("work_item_queued", work_item.c.pool, work_item.c.ticket_id, postgresql_where=_waits)
Index(
    "work_item_unroutable",
    work_item.c.ticket_id,
    postgresql_where=_waits & (work_item.c.missing != "{}"),
)

handoff_item = Table(
    "handoff_item",
    METADATA,
    Column("handoff_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    *_columns_of_work(),
    Column("teams", ARRAY(Text), nullable=False),
    Column("only_preferred", Boolean, nullable=False),
    postgresql_with={"fillfactor": 80},
)
_runs = handoff_item.c.state != "done"
Index("handoff_item_one_running", handoff_item.c.ticket_id, unique=True, postgresql_where=_runs)
Index(
    "handoff_item_queued",
    handoff_item.c.pool,
    handoff_item.c.handoff_id,
    postgresql_where=handoff_item.c.state == "queued",
)

assignment = Table(
    "assignment",
    METADATA,
    Column("assignment_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("agent_id", Uuid, nullable=False),
    Column("method", Text, nullable=False),
    Column("quarters", Integer, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("decision_id", Uuid, nullable=True),
    Column("override_reason", Text, nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("end_reason", Text, nullable=False),
    Column("handoff_id", Uuid, nullable=True),
    CheckConstraint("quarters > 0", name="assignment_has_weight"),
)
_active = assignment.c.ended_at.is_(None)
Index("assignment_one_active", assignment.c.ticket_id, unique=True, postgresql_where=_active)
Index("assignment_of_agent", assignment.c.agent_id, assignment.c.ticket_id, postgresql_where=_active)
Index("assignment_ticket", assignment.c.ticket_id, assignment.c.started_at)

offer = Table(
    "offer",
    METADATA,
    Column("offer_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("agent_id", Uuid, nullable=False),
    Column("quarters", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("decision_id", Uuid, nullable=True),
    Column("state", Text, nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("reason", Text, nullable=False),
    Column("handoff_id", Uuid, nullable=True),
)
_open = offer.c.state == "open"
Index(
    "offer_one_open_own",
    offer.c.ticket_id,
    unique=True,
    postgresql_where=_open & offer.c.handoff_id.is_(None),
)
Index(
    "offer_one_open_handoff",
    offer.c.handoff_id,
    unique=True,
    postgresql_where=_open & offer.c.handoff_id.is_not(None),
)
Index("offer_of_agent", offer.c.agent_id, offer.c.expires_at, postgresql_where=_open)

decision = Table(
    "decision",
    METADATA,
    Column("decision_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("agent_id", Uuid, nullable=False),
    Column("pool", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("packed", LargeBinary, nullable=False),
    Column("handoff_id", Uuid, nullable=True),
)
Index("decision_ticket", decision.c.ticket_id, decision.c.decided_at)
