"""The table of messages. It holds personal text, so each row names the requester whose erasure it is subject to."""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Table, Text, Uuid

from intake.metadata import METADATA

message = Table(
    "message",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("requester_id", Uuid, nullable=False),
    Column("direction", Text, nullable=False),
    Column("author_type", Text, nullable=False),
    Column("author_id", Uuid),
    Column("channel", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("counts_as_response", Boolean, nullable=False),
    Column("awaits_customer", Boolean, nullable=False),
    Column("ack_only", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Index("message_ticket", "ticket_id", "position", unique=True),
    Index("message_requester", "requester_id"),
)
