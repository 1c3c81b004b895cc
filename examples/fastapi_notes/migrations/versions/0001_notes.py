"""The table of notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    number, text = sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String, nullable=False)
    op.create_table("notes", number, text)


def downgrade() -> None:
    op.drop_table("notes")
