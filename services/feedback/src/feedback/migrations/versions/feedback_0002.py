"""Ownership and figures.

Revision ID: feedback_0002
"""

from alembic import op

revision = "feedback_0002"
down_revision = "feedback_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table ownership_interval (
      assignment_id uuid not null,
      ticket_id uuid not null,
      place integer not null,
      agent_id uuid not null,
      agent_tier smallint not null,
      started_at timestamptz not null,
      ended_at timestamptz,
      end_reason text not null,
      primary key (assignment_id)
    )
    """,
    "create unique index ownership_interval_ticket on ownership_interval (ticket_id, place)",
    # Written with almost every event of its ticket: room for the new version beside the old one.
    """
    create table ticket_facts (
      ticket_id uuid not null,
      facts jsonb not null,
      rule_version integer not null,
      primary key (ticket_id)
    ) with (fillfactor = 70)
    """,
    "create index ticket_facts_rule_version on ticket_facts (rule_version, ticket_id)",
    """
    create table observation (
      ticket_id uuid not null,
      definition text not null,
      key text not null,
      at timestamptz not null,
      numerator boolean not null,
      denominator boolean not null,
      parts integer not null,
      microseconds bigint,
      clock text not null,
      queue_id uuid,
      tier smallint,
      category text not null,
      priority text not null,
      agent_id uuid,
      primary key (ticket_id, definition, key)
    )
    """,
    "create index observation_period on observation (definition, at, ticket_id, key)",
    "create index observation_agent on observation (agent_id, definition, at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
