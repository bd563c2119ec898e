"""Tables of the figures: what is kept of each ticket, and what counts of it."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from feedback.metadata import METADATA

ticket_facts = Table(
    "ticket_facts",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("facts", JSONB, nullable=False),
    Column("rule_version", Integer, nullable=False),
)
Index("ticket_facts_rule_version", ticket_facts.c.rule_version, ticket_facts.c.ticket_id)

observation = Table(
    "observation",
    METADATA,
    Column("ticket_id", Uuid, primary_key=True),
    Column("definition", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("numerator", Boolean, nullable=False),
    Column("denominator", Boolean, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("microseconds", BigInteger, nullable=True),
    Column("clock", Text, nullable=False),
    Column("queue_id", Uuid, nullable=True),
    Column("tier", SmallInteger, nullable=True),
    Column("category", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("agent_id", Uuid, nullable=True),
)
Index("observation_period", observation.c.definition, observation.c.at, observation.c.ticket_id, observation.c.key)
Index("observation_agent", observation.c.agent_id, observation.c.definition, observation.c.at)
