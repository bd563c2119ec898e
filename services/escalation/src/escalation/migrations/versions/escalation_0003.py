"""Escalation policies, runs and notifications.

Revision ID: escalation_0003
"""

from alembic import op

revision = "escalation_0003"
down_revision = "escalation_0002"
branch_labels = None
depends_on = None

STATEMENTS = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
