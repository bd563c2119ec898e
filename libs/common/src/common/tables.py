"""The tables that every service carries, whatever it owns: events, what is parked, keys, timers, calls, operations.

They belong to this module's own Alembic branch (`common.migrations`); a service adds them to its metadata so that its
stores can name them. Columns change only together with a migration there.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


def add_common_tables(metadata: MetaData) -> None:
    """Declare the common tables in a service's metadata, under the names that the SQL of `common` uses."""
    _add_outgoing(metadata)
    _add_incoming(metadata)
    _add_parking(metadata)
    _add_keys_and_timers(metadata)
    _add_calls(metadata)
    _add_operations(metadata)


def _add_outgoing(metadata: MetaData) -> None:
    Table(
        "subject",
        metadata,
        Column("subject", Text, primary_key=True),
        Column("seq", BigInteger, nullable=False),
        postgresql_with={"fillfactor": 80},
    )
    Table(
        "event",
        metadata,
        # A cached sequence would hand a later session lower ids than an earlier one, and break the order of the feed.
        Column("id", BigInteger, Identity(always=True, cache=1), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("subject", Text, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("key", Text, nullable=False),
        Column("type", Text, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        UniqueConstraint("subject", "seq"),
    )
    Table(
        "outbox",
        metadata,
        Column("shard", SmallInteger, primary_key=True, autoincrement=False),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
    )
    Table(
        "outbox_lease",
        metadata,
        Column("shard", SmallInteger, primary_key=True, autoincrement=False),
        Column("holder", Text, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
    )


def _add_incoming(metadata: MetaData) -> None:
    Table(
        "consumer_offset",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("end_offset", BigInteger, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("owner", Text, nullable=False),
        Column("bootstrap", Boolean, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
        postgresql_with={"fillfactor": 30},
    )
    Table(
        "subject_cursor",
        metadata,
        Column("source", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("last_seq", BigInteger, nullable=False),
        Column("last_event_id", Uuid, nullable=False),
        postgresql_with={"fillfactor": 70},
    )


def _add_parking(metadata: MetaData) -> None:
    Table(
        "parked_subject",
        metadata,
        Column("source", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_attempt_at", DateTime(timezone=True)),
        Column("parked_at", DateTime(timezone=True), nullable=False),
    )
    Table(
        "parked_event",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("source", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("headers", LargeBinary, nullable=False),
        Column("payload", LargeBinary),
        Column("parked_at", DateTime(timezone=True), nullable=False),
        Index("parked_event_subject", "source", "subject", "seq"),
    )
    Table(
        "parking_action",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("action", Text, nullable=False),
        Column("source", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("seq", BigInteger),
        Column("headers", LargeBinary),
        Column("payload", LargeBinary),
        Column("actor", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("acted_at", DateTime(timezone=True), nullable=False),
        Index("parking_action_subject", "source", "subject"),
    )
    Table(
        "poison_record",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("position", BigInteger, primary_key=True, autoincrement=False),
        Column("key", LargeBinary),
        Column("headers", LargeBinary, nullable=False),
        Column("payload", LargeBinary),
        Column("error", Text, nullable=False),
        Column("seen_at", DateTime(timezone=True), nullable=False),
    )


def _add_keys_and_timers(metadata: MetaData) -> None:
    Table(
        "idempotency_key",
        metadata,
        Column("client_id", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", SmallInteger),
        Column("headers", JSONB),
        Column("body", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        Index("idempotency_key_expires_at", "expires_at"),
    )
    Table(
        "timer",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("aggregate_id", Uuid, primary_key=True),
        Column("generation", BigInteger, nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Index("timer_due", "kind", "due_at"),
    )
    Table(
        "periodic",
        metadata,
        Column("name", Text, primary_key=True),
        Column("due_at", DateTime(timezone=True), nullable=False),
    )


def _add_calls(metadata: MetaData) -> None:
    Table(
        "outgoing_call",
        metadata,
        Column("call_id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("aggregate_id", Uuid, nullable=False),
        Column("service", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("body", JSONB, nullable=False),
        Column("actor", Text, nullable=False),
        Column("if_match", BigInteger),
        Column("attempts", Integer, nullable=False),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("give_up_at", DateTime(timezone=True), nullable=False),
        Column("lease_until", DateTime(timezone=True)),
        Column("lease_holder", Uuid),
        Column("correlation_id", Text, nullable=False),
        Column("causation_id", Text, nullable=False),
        Column("traceparent", Text, nullable=False),
        Index("outgoing_call_due", "service", "due_at"),
        Index("outgoing_call_aggregate", "kind", "aggregate_id"),
    )


def _add_operations(metadata: MetaData) -> None:
    Table(
        "operation",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("kind", Text, nullable=False),
        Column("target", JSONB, nullable=False),
        Column("actor", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("requested_at", DateTime(timezone=True), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("lease_until", DateTime(timezone=True)),
        Column("finished_at", DateTime(timezone=True)),
        Column("outcome", Text, nullable=False),
        Column("result", JSONB, nullable=False),
        Index("operation_waiting", "requested_at", postgresql_where=text("finished_at is null")),
    )
