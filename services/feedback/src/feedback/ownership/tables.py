"""The table of ownership intervals."""

from sqlalchemy import Column, DateTime, Index, Integer, SmallInteger, Table, Text, Uuid

from feedback.metadata import METADATA

ownership_interval = Table(
    "ownership_interval",
    METADATA,
    Column("assignment_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("place", Integer, nullable=False),
    Column("agent_id", Uuid, nullable=False),
    Column("agent_tier", SmallInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("end_reason", Text, nullable=False),
)
Index("ownership_interval_ticket", ownership_interval.c.ticket_id, ownership_interval.c.place, unique=True)
