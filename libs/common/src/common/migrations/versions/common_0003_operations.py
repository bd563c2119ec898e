"""What operators ask of the workers: missing events read again, a topic replayed, a projection rebuilt.

Revision ID: common_0003
"""

from alembic import op

revision = "common_0003"
down_revision = "common_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table operation (
      id uuid primary key,
      kind text not null,
      target jsonb not null,
      actor text not null,
      reason text not null,
      requested_at timestamptz not null,
      attempts integer not null,
      lease_until timestamptz,
      finished_at timestamptz,
      outcome text not null,
      result jsonb not null
    )
    """,
    "create index operation_waiting on operation (requested_at) where finished_at is null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
