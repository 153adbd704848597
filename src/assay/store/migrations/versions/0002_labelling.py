"""Labelling: people who label and their sign-ins, queues and their items, who holds what, every answer; answers taken
back.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of labelling, and the column that marks a label as withdrawn."""
    op.add_column("labels", sa.Column("withdrawn_at", sa.String, nullable=True))
    _create_people()
    _create_queues()
    _create_work()


def _create_people() -> None:
    op.create_table(
        "labellers",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("adjudicates", sa.Boolean, nullable=False),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("removed_at", sa.String),
    )
    op.create_table(
        "label_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("labeller", KEY, sa.ForeignKey("labellers.name"), nullable=False, index=True),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("expires_at", sa.String, nullable=False),
    )


def _create_queues() -> None:
    op.create_table(
        "label_queues",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("name", KEY, nullable=False, unique=True),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False, index=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("finished", sa.Integer, nullable=False),
        sa.Column("disputed", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.String),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table(
        "label_queue_items",
        sa.Column("queue", KEY, sa.ForeignKey("label_queues.name"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("example_id", KEY, sa.ForeignKey("examples.id"), nullable=False, index=True),
        sa.Column("inclusion", sa.Float),
        sa.Column("stratum", sa.String, nullable=False),
        sa.Column("score", sa.Float),
        sa.Column("hint", sa.Text),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
    )
    op.create_index("ix_label_queue_items_state", "label_queue_items", ["queue", "state", "position"])


def _create_work() -> None:
    op.create_table(
        "label_members",
        sa.Column("queue", KEY, sa.ForeignKey("label_queues.name"), primary_key=True),
        sa.Column("labeller", KEY, primary_key=True),
        sa.Column("cursor", sa.Integer, nullable=False),
        sa.Column("labelled", sa.Integer, nullable=False),
        sa.Column("skipped", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
    )
    op.create_table(
        "label_assignments",
        sa.Column("queue", KEY, sa.ForeignKey("label_queues.name"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("labeller", KEY, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("value", KEY),
        sa.Column("event", SEQUENCE),
        sa.Column("since", sa.String, nullable=False),
    )
    op.create_index("ix_label_assignments_state", "label_assignments", ["queue", "state", "since"])
    op.create_index("ix_label_assignments_mine", "label_assignments", ["queue", "labeller", "state", "event"])
    op.create_table(
        "label_events",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("labeller", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("queue", KEY, sa.ForeignKey("label_queues.name"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("value", KEY),
        sa.Column("added", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_index("ix_label_events_key", "label_events", ["labeller", "key"], unique=True)
    op.create_index("ix_label_events_item", "label_events", ["queue", "position", "sequence"])
