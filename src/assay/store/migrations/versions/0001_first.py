"""The first schema: criteria, imports, examples, labels, datasets, judges, aliases, promotions, gate decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make every table, and the guard of the promotions log."""
    _create_criteria_and_imports()
    _create_examples_and_labels()
    _create_datasets()
    _create_judges()
    _create_aliases_and_promotions()
    _guard_promotions()


def _create_criteria_and_imports() -> None:
    op.create_table(
        "criteria",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("key", KEY, nullable=False, unique=True),
        sa.Column("name", KEY, nullable=False, index=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table(
        "imports",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("file_digest", sa.String(64), nullable=False, index=True),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )


def _create_examples_and_labels() -> None:
    op.create_table(
        "examples",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("import_id", KEY, sa.ForeignKey("imports.id", deferrable=True, initially="DEFERRED")),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("example_id", KEY, sa.ForeignKey("examples.id"), nullable=False, index=True),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False),
        sa.Column("labeller", KEY, nullable=False),
        sa.Column("value", KEY, nullable=False),
        sa.Column("source", sa.String, nullable=False),
        sa.Column("given_at", sa.String),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("import_id", KEY, sa.ForeignKey("imports.id", deferrable=True, initially="DEFERRED")),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_index("ix_labels_current", "labels", ["criterion_key", "example_id", "labeller", "sequence"])


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("criterion_name", KEY, nullable=False, index=True),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )


def _create_judges() -> None:
    op.create_table(
        "judge_versions",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("name", KEY, nullable=False, index=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("criterion_key", KEY, sa.ForeignKey("criteria.key"), nullable=False),
        sa.Column("dataset", KEY, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_table(
        "gate_decisions",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("judge", KEY, sa.ForeignKey("judge_versions.id"), nullable=False, index=True),
        sa.Column("report_digest", sa.String(64), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("created_at", sa.String, nullable=False),
    )


def _create_aliases_and_promotions() -> None:
    op.create_table(
        "aliases",
        sa.Column("name", KEY, primary_key=True),
        sa.Column("alias", KEY, primary_key=True),
        sa.Column("version", KEY, sa.ForeignKey("judge_versions.id"), nullable=False),
        sa.Column("moved_at", sa.String, nullable=False),
    )
    op.create_table(
        "promotions",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("name", KEY, nullable=False, index=True),
        sa.Column("alias", KEY, nullable=False),
        sa.Column("move", sa.String, nullable=False),
        sa.Column("version", KEY, sa.ForeignKey("judge_versions.id")),
        sa.Column("previous", KEY, sa.ForeignKey("judge_versions.id")),
        sa.Column("by", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("waiver", sa.Text),
        sa.Column("at", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )


def _guard_promotions() -> None:
    """The log is append-only, whoever holds the connection."""
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER promotions_no_{change.lower()} BEFORE {change} ON promotions "
                "BEGIN SELECT RAISE(ABORT, 'the promotions log is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION assay_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the promotions log is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotions "
        "FOR EACH STATEMENT EXECUTE FUNCTION assay_refuse_change()"
    )
