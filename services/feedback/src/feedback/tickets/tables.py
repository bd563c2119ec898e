"""Tables of what feedback knows of tickets, people and agents."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, Table, Text, Uuid

from feedback.metadata import METADATA

ticket = Table(
    "ticket",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("requester_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("human_replied", Boolean, nullable=False),
    Column("resolution_seq", Integer, nullable=False),
    Column("resolution_code", Text, nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("reopen_until", DateTime(timezone=True)),
)

person = Table(
    "person",
    METADATA,
    Column("requester_id", Uuid, primary_key=True),
    Column("language", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("agent_id", Uuid),
)

known_agent = Table(
    "known_agent",
    METADATA,
    Column("agent_id", Uuid, primary_key=True),
)
"""Agents ever registered: a person who is one of them is a colleague, and not asked how they liked the help."""
