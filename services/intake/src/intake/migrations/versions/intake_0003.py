"""The version of a requester, for commands that depend on it.

Revision ID: intake_0003
"""

from alembic import op

revision = "intake_0003"
down_revision = "intake_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the previous release leaves it as it is."""
    op.execute("alter table requester add column version integer default 1 not null")
