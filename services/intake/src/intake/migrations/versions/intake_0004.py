"""Which agent a requester is, where a colleague asks for help.

Revision ID: intake_0004
"""

from alembic import op

revision = "intake_0004"
down_revision = "intake_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the previous release leaves it as it is."""
    op.execute("alter table requester add column agent_id uuid")
