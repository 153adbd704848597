"""The table of gate decisions: what was measured for a version, by the digest of the report it was measured in."""

from sqlalchemy import Column, Connection, ForeignKey, String, Table, insert, select

from assay.schema.gate import GateDecision
from assay.schema.ids import utc_now
from assay.store.judges import judge_versions
from assay.store.tables import (
    KEY,
    from_text,
    lock,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

gate_decisions = Table(
    "gate_decisions",
    metadata,
    sequence_column(),
    Column("judge", KEY, ForeignKey(judge_versions.c.id), nullable=False, index=True),
    Column("report_digest", String(64), nullable=False),
    record_column(),
    time_column("created_at"),
)


def add(connection: Connection, decision: GateDecision, report_digest: str) -> None:
    """Record a decision as the version's newest; the newest one again changes nothing."""
    lock(connection, gate_decisions)
    text = to_text(decision)
    newest = connection.execute(
        select(gate_decisions.c.report_digest, gate_decisions.c.record)
        .where(gate_decisions.c.judge == decision.judge)
        .order_by(gate_decisions.c.sequence.desc())
        .limit(1)
    ).first()
    if newest is None or tuple(newest) != (report_digest, text):
        row = {"judge": decision.judge, "report_digest": report_digest, "record": text, "created_at": utc_now()}
        connection.execute(insert(gate_decisions).values(row))


def newest_of(connection: Connection, judge: str, report_digest: str | None = None) -> GateDecision | None:
    """The newest decision about a version, from one report if its digest is given; None when there is none."""
    rows = select(gate_decisions.c.record).where(gate_decisions.c.judge == judge)
    if report_digest is not None:
        rows = rows.where(gate_decisions.c.report_digest == report_digest)
    text = connection.scalar(rows.order_by(gate_decisions.c.sequence.desc()).limit(1))
    return None if text is None else from_text(GateDecision, text, where=f"the gates of {judge}")
