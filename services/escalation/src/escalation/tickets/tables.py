"""The tables of what escalation knows of tickets."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from escalation.metadata import METADATA

ticket = Table(
    "ticket",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("hold_reason", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("impact", SmallInteger, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("category", Text, nullable=False),
    Column("component", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("organisation_id", Uuid, nullable=True),
    Column("requester_id", Uuid, nullable=False),
    Column("tier_required", SmallInteger, nullable=False),
    Column("tier_raised", SmallInteger, nullable=False),
    Column("proactive", Boolean, nullable=False),
    Column("owner_id", Uuid, nullable=True),
    Column("owner_tier", SmallInteger, nullable=False),
    Column("assignment_id", Uuid, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

ticket_log = Table(
    "ticket_log",
    METADATA,
    Column("ticket_id", Uuid, nullable=False),
    Column("source", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("ticket_id", "source", "seq"),
)
