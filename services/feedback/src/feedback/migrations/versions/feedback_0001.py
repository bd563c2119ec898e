"""Surveys, answers, follow-ups, and what is known of tickets.

Revision ID: feedback_0001
"""

from alembic import op

revision = "feedback_0001"
down_revision = None
branch_labels = ("feedback",)
depends_on = None

STATEMENTS = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
