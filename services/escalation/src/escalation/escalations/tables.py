"""Tables of escalation policies and runs."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from escalation.metadata import METADATA

escalation_policy = Table(
    "escalation_policy",
    METADATA,
    Column("policy_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("priority", SmallInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("version", BigInteger, nullable=False),
)

escalation_policy_version = Table(
    "escalation_policy_version",
    METADATA,
    Column("policy_id", Uuid, ForeignKey("escalation_policy.policy_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("match", JSONB, nullable=False),
    Column("triggers", ARRAY(Text), nullable=False),
    Column("clocks", ARRAY(Text), nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("rounds", SmallInteger, nullable=False),
    Column("repeat_after_s", Integer, nullable=False),
    Column("ack_timeout_s", Integer, nullable=False),
    Column("leads", ARRAY(Uuid), nullable=False),
    Column("calendar_id", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("activated_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
    Index("escalation_policy_active", "policy_id", unique=True, postgresql_where=text("state = 'active'")),
)

escalation_run = Table(
    "escalation_run",
    METADATA,
    Column("run_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("round_started_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("clock_id", Uuid),
    Column("clock_kind", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner_at_start", Uuid),
    Column("marks", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("next_step", SmallInteger, nullable=False),
    Column("stepped_at", DateTime(timezone=True)),
    Column("forced", Boolean, nullable=False),
    Column("owed", ARRAY(SmallInteger), nullable=False),
    Column("ack_until", DateTime(timezone=True)),
    Column("acked_by", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("end_reason", Text, nullable=False),
    # One run at a time for each cause; NULLs are alike here.
    Index(
        "escalation_run_live",
        "ticket_id",
        "policy_id",
        "trigger",
        "clock_id",
        unique=True,
        postgresql_where=text("state in ('running', 'acknowledged', 'held')"),
        postgresql_nulls_not_distinct=True,
    ),
    Index("escalation_run_ticket", "ticket_id", "run_id"),
    Index("escalation_run_held", "run_id", postgresql_where=text("state = 'held'")),
)

escalation_step = Table(
    "escalation_step",
    METADATA,
    Column("run_id", Uuid, ForeignKey("escalation_run.run_id"), primary_key=True),
    Column("round", SmallInteger, primary_key=True, autoincrement=False),
    Column("step", SmallInteger, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("targets", ARRAY(Text), nullable=False),
    Column("reached", ARRAY(Uuid), nullable=False),
    Column("fired_at", DateTime(timezone=True), nullable=False),
)

escalation_level = Table(
    "escalation_level",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("level", SmallInteger, nullable=False),
    Column("tier_required", SmallInteger, nullable=False),
)
