"""Augmentations, the derivatives they make, and the decisions to keep them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of augmentation."""
    op.create_table(
        "augmentations",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False, index=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table(
        "derivatives",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("augmentation", KEY, sa.ForeignKey("augmentations.id"), nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", KEY, nullable=False),
        sa.Column("parents", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("draw", sa.Integer, nullable=False),
        sa.Column("example", sa.Text),
        sa.Column("changed_at", sa.String, nullable=False),
    )
    op.create_index("ix_derivatives_augmentation", "derivatives", ["augmentation", "kind", "position"])
    op.create_table(
        "augmentation_decisions",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("augmentation", KEY, sa.ForeignKey("augmentations.id"), nullable=False, index=True),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("kept", sa.Boolean, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("decided_by", KEY, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
