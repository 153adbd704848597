"""Serving: verdicts, events, webhook deliveries, API keys, answers kept for their Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

KEY = sa.String().with_variant(sa.String(collation="C"), "postgresql")
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables of serving."""
    _create_verdicts()
    _create_events()
    _create_deliveries()
    _create_keys_and_answers()


def _create_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("request_id", KEY, nullable=False, index=True),
        sa.Column("event_id", KEY, index=True),
        sa.Column("name", KEY, nullable=False),
        sa.Column("judge", KEY, nullable=False),
        sa.Column("criterion_key", KEY, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("label", KEY),
        sa.Column("probability", sa.Float),
        sa.Column("action", sa.String, nullable=False),
        sa.Column("route", sa.String, nullable=False),
        sa.Column("service_ms", sa.Float, nullable=False),
        sa.Column("trace_id", KEY, index=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("example", sa.Text),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_index("ix_verdicts_name", "verdicts", ["name", "sequence"])
    op.create_index("ix_verdicts_created_at", "verdicts", ["created_at"])


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("ready_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("owner", KEY),
        sa.Column("lease_until", sa.Float),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("done_at", sa.String),
    )
    op.create_index("ix_events_ready", "events", ["state", "ready_at", "sequence"])


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("id", KEY, nullable=False, unique=True),
        sa.Column("webhook", KEY, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("next_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("problem", sa.String),
        sa.Column("owner", KEY),
        sa.Column("lease_until", sa.Float),
        sa.Column("created_at", sa.String, nullable=False),
    )
    op.create_index("ix_deliveries_next", "deliveries", ["state", "next_at"])


def _create_keys_and_answers() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", KEY, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("scopes", sa.String, nullable=False),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("created_at", sa.String, nullable=False),
        sa.Column("expires_at", sa.String),
        sa.Column("revoked_at", sa.String),
    )
    op.create_table(
        "answers",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("owner", KEY, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("body", sa.Text),
        sa.Column("created_at", sa.String, nullable=False),
    )
