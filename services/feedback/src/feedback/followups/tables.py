"""The table of follow-ups."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, SmallInteger, Table, Text, Uuid

from feedback.metadata import METADATA

followup = Table(
    "followup",
    METADATA,
    Column("followup_id", Uuid, primary_key=True),
    Column("survey_id", Uuid, nullable=False, unique=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("requester_id", Uuid, nullable=False),
    Column("resolution_seq", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("answer_version", SmallInteger, nullable=False),
    Column("consented", Boolean, nullable=False),
    Column("agent_id", Uuid),
    Column("state", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("version", BigInteger, nullable=False),
)
Index("followup_ticket", followup.c.ticket_id)
Index("followup_due", followup.c.due_at, followup.c.followup_id)
