"""Make the notes table."""

from alembic import op

revision = "notes_0001"
down_revision = None
branch_labels = ("notes",)
depends_on = None


def upgrade() -> None:
    op.execute("create table note (id uuid primary key, text text not null, version int not null, archived bool not null)")


def downgrade() -> None:
    op.execute("drop table note")
