"""Calendars, policies, clocks, and what is known of tickets.

Revision ID: escalation_0001
"""

from alembic import op

revision = "escalation_0001"
down_revision = None
branch_labels = ("escalation",)
depends_on = None

STATEMENTS = (
    """
    create table ticket (
      ticket_id uuid not null,
      number bigint not null,
      status text not null,
      hold_reason text not null,
      priority text not null,
      impact smallint not null,
      urgency smallint not null,
      category text not null,
      component text not null,
      product text not null,
      language text not null,
      channel text not null,
      system text not null,
      tags text[] not null,
      organisation_id uuid,
      requester_id uuid not null,
      tier_required smallint not null,
      tier_raised smallint not null,
      proactive boolean not null,
      owner_id uuid,
      owner_tier smallint not null,
      assignment_id uuid,
      created_at timestamptz not null,
      primary key (ticket_id)
    ) with (fillfactor = 80)
    """,
    """
    create table ticket_log (
      ticket_id uuid not null,
      source text not null,
      seq bigint not null,
      event_id uuid not null,
      type text not null,
      at timestamptz not null,
      data bytea not null,
      primary key (ticket_id, source, seq)
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
