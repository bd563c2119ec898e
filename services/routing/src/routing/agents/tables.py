"""Tables of the directory."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from routing.metadata import METADATA

agent = Table(
    "agent",
    METADATA,
    Column("agent_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("tier", SmallInteger, nullable=False),
    Column("max_weight", Integer, nullable=False),
    Column("max_offers", Integer, nullable=False),
    Column("teams", ARRAY(Text), nullable=False),
    Column("languages", ARRAY(Text), nullable=False),
    Column("presence", Text, nullable=False),
    Column("presence_since", DateTime(timezone=True), nullable=False),
    Column("presence_set_by", Text, nullable=False),
    Column("load_quarters", Integer, nullable=False, server_default="0"),
    Column("open_offers", Integer, nullable=False, server_default="0"),
    Column("offers_missed", Integer, nullable=False, server_default="0"),
    Column("idle_since", DateTime(timezone=True), nullable=False),
    Column("facts_version", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("load_quarters >= 0", name="agent_load_not_negative"),
    CheckConstraint("open_offers >= 0", name="agent_offers_not_negative"),
    CheckConstraint("tier between 1 and 3", name="agent_tier_known"),
)
Index("agent_email", agent.c.email, unique=True, postgresql_where=agent.c.email != "")

skill = Table(
    "skill",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("category", Text, nullable=False),
    Column("parent", Text, ForeignKey("skill.name"), nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

agent_skill = Table(
    "agent_skill",
    METADATA,
    Column("agent_id", Uuid, ForeignKey("agent.agent_id"), primary_key=True),
    Column("skill", Text, ForeignKey("skill.name"), primary_key=True),
    Column("level", SmallInteger, nullable=False),
    CheckConstraint("level between 1 and 5", name="agent_skill_level_known"),
)
Index("agent_skill_skill", agent_skill.c.skill)
