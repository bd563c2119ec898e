"""What escalation's events say of tickets, and the time zones of requesters.

New columns have defaults that the database keeps, so that the previous release writes beside this one.

Revision ID: intake_0002
"""

from alembic import op

revision = "intake_0002"
down_revision = "intake_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    alter table ticket
      add column escalation_level smallint default 0 not null,
      add column escalation_tier smallint default 1 not null,
      add column escalation_event_id uuid,
      add column handoff jsonb,
      add column sla jsonb default '{}' not null,
      add column sla_state text,
      add column handoff_state text
    """,
    "alter table requester add column timezone text default '' not null",
    # The partial indexes hold nothing yet: making them reads the table once, and writes are locked out for that time.
    "create index ticket_escalation on ticket (escalation_level, created_at, id) where escalation_level > 0",
    "create index ticket_sla on ticket (sla_state, created_at, id) where sla_state in ('warned', 'breached')",
    "create index ticket_handoff on ticket (handoff_state, created_at, id) where handoff_state is not null",
)


def upgrade() -> None:
    """Add the columns and their indexes."""
    for statement in STATEMENTS:
        op.execute(statement)
