"""Tables of survey policies."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from feedback.metadata import METADATA

survey_policy = Table(
    "survey_policy",
    METADATA,
    Column("policy_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

survey_policy_version = Table(
    "survey_policy_version",
    METADATA,
    Column("policy_id", Uuid, ForeignKey("survey_policy.policy_id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("activated_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
)
Index(
    "survey_policy_one_active",
    survey_policy_version.c.policy_id,
    unique=True,
    postgresql_where=survey_policy_version.c.state == "active",
)
