"""Contrast sets: rows that judges are compared on and never trained on."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table of contrast sets."""
    op.create_table(
        "contrast_sets",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("name", KEY, nullable=False, unique=True),
        sa.Column("criterion_name", KEY, nullable=False, index=True),
        sa.Column("rows_blob", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
