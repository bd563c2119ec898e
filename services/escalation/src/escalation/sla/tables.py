"""Tables of policies, of what is in force, and of clocks."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from escalation.metadata import METADATA

sla_policy = Table(
    "sla_policy",
    METADATA,
    Column("policy_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("targets_s", JSONB, nullable=False),
    Column("calendar_id", Uuid, nullable=False),
    Column("match", JSONB, nullable=False),
    Column("calendars", JSONB, nullable=False),
    Column("pausing_holds", JSONB, nullable=False),
    Column("next_response_pauses", Boolean, nullable=False),
    Column("warning_percents", JSONB, nullable=False),
    Column("reopen", Text, nullable=False),
    Column("human_reply_only", Boolean, nullable=False),
    Column("fresh", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("policy_id", "version"),
)
Index("sla_policy_one_active", sla_policy.c.policy_id, unique=True, postgresql_where=sla_policy.c.state == "active")

sla_revision = Table(
    "sla_revision",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Random, so that a process may keep what it has read under this name whatever database it came from.
    Column("revision_id", Uuid, nullable=False, unique=True),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("policies", JSONB, nullable=False),
    Column("calendars", JSONB, nullable=False),
)

sla_ticket = Table(
    "sla_ticket",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("folded", JSONB, nullable=False),
    Column("told_policy_id", Uuid, nullable=True),
    Column("told_policy_version", Integer, nullable=True),
    Column("generation", BigInteger, nullable=False),
)

sla_clock = Table(
    "sla_clock",
    METADATA,
    Column("clock_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("handoff_id", Uuid, nullable=True),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("target_s", Integer, nullable=False),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("calendar_id", Uuid, nullable=False),
    Column("calendar_version", Integer, nullable=False),
    Column("consumed_us", BigInteger, nullable=False),
    Column("deadline", DateTime(timezone=True), nullable=True),
    Column("breached_at", DateTime(timezone=True), nullable=True),
    Column("breach_cause", Text, nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("end_reason", Text, nullable=False),
    Column("end_event_id", Uuid, nullable=True),
    Column("ledger", JSONB, nullable=False),
    Column("told", JSONB, nullable=False),
    Column("may_return", Boolean, nullable=False),
)
Index("sla_clock_ticket", sla_clock.c.ticket_id)
Index("sla_clock_may_return", sla_clock.c.ticket_id, postgresql_where=sla_clock.c.may_return)
