"""The table of what escalation knows of agents."""

from sqlalchemy import Boolean, Column, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from escalation.metadata import METADATA

agent = Table(
    "agent",
    METADATA,
    Column("agent_id", Uuid, primary_key=True),
    Column("tier", SmallInteger, nullable=False),
    Column("teams", ARRAY(Text), nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("presence", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)
