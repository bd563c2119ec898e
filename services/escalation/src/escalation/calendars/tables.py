"""The table of calendars: one row for each version, never changed."""

from sqlalchemy import Column, DateTime, Integer, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from escalation.metadata import METADATA

calendar = Table(
    "calendar",
    METADATA,
    Column("calendar_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("week", JSONB, nullable=False),
    Column("exceptions", JSONB, nullable=False),
    Column("country", Text, nullable=False),
    Column("subdivision", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("calendar_id", "version"),
)
