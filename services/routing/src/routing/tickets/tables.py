"""The tables of what routing knows of tickets."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from routing.metadata import METADATA

ticket = Table(
    "ticket",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
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
    Column("skills", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

# Apart from the facts, because escalation may be heard before intake: the floor of an unknown ticket waits here.
ticket_floor = Table(
    "ticket_floor",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("tier_required", SmallInteger, nullable=False),
    CheckConstraint("tier_required between 1 and 3", name="ticket_floor_tier_known"),
)
