"""Verdicts that await a person, and queues that grow with them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of verdicts that await a person, and the column that counts what a queue grew by."""
    op.add_column("label_queues", sa.Column("grown", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "awaiting",
        sa.Column("verdict_id", KEY, primary_key=True),
        sa.Column("queue", KEY, sa.ForeignKey("label_queues.name"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String, nullable=False, index=True),
    )
