"""Tables of surveys, their links and answers, and of people who do not want to be asked."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

from feedback.metadata import METADATA

survey = Table(
    "survey",
    METADATA,
    Column("survey_id", Uuid, primary_key=True),
    Column("ticket_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("resolution_seq", Integer, nullable=False),
    Column("requester_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("manual", Boolean, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("resolved_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("asked_at", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    Column("message_id", Uuid),
    Column("expires_at", DateTime(timezone=True)),
    Column("reminded_at", DateTime(timezone=True)),
    Column("answered_at", DateTime(timezone=True)),
    Column("answer_version", SmallInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("ticket_id", "resolution_seq", "requester_id", "kind", name="survey_once"),
)
Index("survey_newest", survey.c.created_at, survey.c.survey_id)
Index("survey_of_person", survey.c.requester_id, survey.c.kind, survey.c.asked_at)

survey_link = Table(
    "survey_link",
    METADATA,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("survey_id", Uuid, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
)
"""The links of a survey: the first one, and the reminder's. Whoever reads this table cannot open a page."""

survey_answer = Table(
    "survey_answer",
    METADATA,
    Column("survey_id", Uuid, primary_key=True),
    Column("version", SmallInteger, primary_key=True),
    Column("requester_id", Uuid, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("reopen_consent", Boolean),
    Column("answered_at", DateTime(timezone=True), nullable=False),
)
Index("survey_answer_person", survey_answer.c.requester_id)

survey_person = Table(
    "survey_person",
    METADATA,
    Column("requester_id", Uuid, primary_key=True),
    Column("opted_out_at", DateTime(timezone=True)),
)
"""One row for each person who was to be asked: the lock under which the throttle looks and opting out happens."""
