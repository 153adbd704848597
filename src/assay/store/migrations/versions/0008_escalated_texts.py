"""Texts that are here only because a judge escalated them, and items of queues whose text is gone."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ESCALATED = """
    UPDATE examples SET escalated_at = created_at WHERE import_id IS NULL AND id IN (
        SELECT label_queue_items.example_id FROM label_queue_items
        JOIN label_queues ON label_queues.name = label_queue_items.queue WHERE label_queues.grown > 0
    )
"""


def upgrade() -> None:
    """Add the column that marks escalated examples, mark those that are there, and count expired items of a queue."""
    op.add_column("examples", sa.Column("escalated_at", sa.String, nullable=True))
    op.create_index("ix_examples_escalated_at", "examples", ["escalated_at"])
    op.add_column("label_queues", sa.Column("expired", sa.Integer, nullable=False, server_default="0"))
    op.execute(ESCALATED)
