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
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
