"""Tables of the desks."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from routing.metadata import METADATA

queue = Table(
    "queue",
    METADATA,
    Column("queue_id", Uuid, primary_key=True),
    Column("pool", Text, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("match", JSONB, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("mode", Text, nullable=False),
    Column("required_skills", JSONB, nullable=False),
    Column("primary_teams", ARRAY(Text), nullable=False),
    Column("overflow_teams", ARRAY(Text), nullable=False),
    Column("tau_s", JSONB, nullable=False),
    Column("offer_life_s", Integer, nullable=False),
    Column("exclusion_s", Integer, nullable=False),
    Column("catch_all", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("priority between 1 and 100", name="queue_priority_known"),
)
Index("queue_catch_all", queue.c.catch_all, unique=True, postgresql_where=queue.c.catch_all)
