"""Calendars, policies, clocks, and what is known of tickets.

Revision ID: escalation_0001
"""

from alembic import op

revision = "escalation_0001"
down_revision = None
branch_labels = ("escalation",)
depends_on = None

STATEMENTS = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
