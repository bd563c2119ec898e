"""Tables of webhooks. There are no foreign keys: rows of an endpoint that is gone are never read, and deleted later."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from intake.metadata import METADATA

webhook_endpoint = Table(
    "webhook_endpoint",
    METADATA,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    Column("description", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_reason", Text, nullable=False),
    Column("failing_since", DateTime(timezone=True)),
    Column("resume_at", DateTime(timezone=True)),
    Index("webhook_endpoint_client", "client_id", "endpoint_id"),
)

webhook_key = Table(
    "webhook_key",
    METADATA,
    Column("key_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, nullable=False),
    Column("scheme", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("retires_at", DateTime(timezone=True)),
    Index("webhook_key_endpoint", "endpoint_id"),
)

webhook_feed = Table(
    "webhook_feed",
    METADATA,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

webhook_line = Table(
    "webhook_line",
    METADATA,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("lease_until", DateTime(timezone=True)),
    Column("lease_holder", Uuid),
    Index("webhook_line_due", "endpoint_id", "due_at"),
    postgresql_with={"fillfactor": 70},
)

webhook_delivery = Table(
    "webhook_delivery",
    METADATA,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=False, cache=1), nullable=False),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_status", SmallInteger),
    Column("error", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("last_attempt_at", DateTime(timezone=True)),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("delivered_at", DateTime(timezone=True)),
    Index("webhook_delivery_log", "endpoint_id", "position"),
    Index("webhook_delivery_pending", "endpoint_id", "subject", "position", postgresql_where=text("state = 'pending'")),
    Index("webhook_delivery_subject", "endpoint_id", "subject", "position"),
    Index("webhook_delivery_age", "created_at"),
    postgresql_with={"fillfactor": 70},
)
