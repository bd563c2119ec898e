"""An index for what consumers look up of operators' actions: whether a record was given up.

Revision ID: common_0004
"""

from alembic import op

revision = "common_0004"
down_revision = "common_0003"
branch_labels = None
depends_on = None

STATEMENTS = ("create index parking_action_subject on parking_action (source, subject)",)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
