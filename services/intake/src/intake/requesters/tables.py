"""Tables of requesters and organisations."""

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, UniqueConstraint, Uuid, text

from intake.metadata import METADATA

organisation = Table(
    "organisation",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("system", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("support_plan", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("system", "external_id"),
)

requester = Table(
    "requester",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("system", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("organisation_id", Uuid),
    Column("timezone", Text, nullable=False, server_default=""),
    Column("agent_id", Uuid),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("system", "external_id"),
    Index("requester_organisation", "organisation_id", "id"),
)
