"""Handoffs, and what is known of agents.

Revision ID: escalation_0002
"""

from alembic import op

revision = "escalation_0002"
down_revision = "escalation_0001"
branch_labels = None
depends_on = None

STATEMENTS = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
