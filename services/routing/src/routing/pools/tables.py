"""Tables of the pools."""

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Integer, LargeBinary, Table, Text, Uuid

from routing.metadata import METADATA

routing_pool = Table(
    "routing_pool",
    METADATA,
    Column("pool", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("batch", BigInteger, nullable=False, server_default="0"),
)

routing_input = Table(
    "routing_input",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pool", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Uuid, nullable=False),
)
Index("routing_input_pool", routing_input.c.pool, routing_input.c.id)

routing_log = Table(
    "routing_log",
    METADATA,
    Column("pool", Text, primary_key=True),
    Column("batch", BigInteger, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("inputs", Integer, nullable=False),
    Column("packed", LargeBinary, nullable=False),
)
Index("routing_log_decided_at", routing_log.c.decided_at)
