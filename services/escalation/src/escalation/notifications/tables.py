"""Tables of notifications."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from escalation.metadata import METADATA

notification = Table(
    "notification",
    METADATA,
    Column("notification_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("run_id", Uuid),
    Column("step", SmallInteger),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fault", Text, nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("lease_holder", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Index("notification_ticket", "ticket_id", "notification_id"),
    Index("notification_run", "run_id", postgresql_where=text("state = 'pending'")),
    Index("notification_due", "channel", "due_at", postgresql_where=text("state = 'pending'")),
)

notification_attempt = Table(
    "notification_attempt",
    METADATA,
    Column("notification_id", Uuid, ForeignKey("notification.notification_id"), primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("fault", Text, nullable=False),
)
