"""The table of verdicts that were given to callers: append-only rows, each with the verdict and what was judged.

A row is written from its `columns`, which are plain JSON values, so that it can wait in a file until the database takes
it. One id is one verdict: writing a row again changes nothing. What was judged stands in the row as it was given to
`columns`: redacting it is the caller's business.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Column, Connection, Float, Index, String, Table, Text, delete, func, select

from assay.schema.errors import NotFoundError, shown
from assay.schema.example import Example
from assay.schema.verdict import Action, Verdict
from assay.store.tables import (
    KEY,
    can_be_key,
    check_key,
    from_text,
    in_batches,
    insert_new,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

Role: TypeAlias = Literal["champion", "canary", "shadow", "asked"]

verdicts = Table(
    "verdicts",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("request_id", KEY, nullable=False, index=True),
    Column("event_id", KEY, nullable=True, index=True),
    Column("name", KEY, nullable=False),
    Column("judge", KEY, nullable=False),
    Column("criterion_key", KEY, nullable=False),  # no reference: a verdict must never wait for a criterion's row
    Column("role", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("label", KEY, nullable=True),
    Column("probability", Float, nullable=True),
    Column("action", String, nullable=False),
    Column("route", String, nullable=False),
    Column("service_ms", Float, nullable=False),
    Column("trace_id", KEY, nullable=True, index=True),
    record_column(),
    Column("example", Text, nullable=True),
    time_column("created_at"),
    Index("ix_verdicts_name", "name", "sequence"),
    Index("ix_verdicts_created_at", "created_at"),
)


@dataclass(frozen=True, kw_only=True)
class GivenVerdict:
    """One verdict as it was given: to whom it was an answer, and what it meant for the request.

    `role` says why this version was asked: its alias, or because the caller named the version (`asked`).
    `service_ms` is the whole time of the answer, the judge's own is in the verdict. `span_id` is the judged span.
    """

    id: str
    request_id: str
    name: str
    criterion: str
    role: Role
    verdict: Verdict
    action: Action
    service_ms: float
    created_at: str
    event_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredVerdict:
    """A verdict and, where texts are kept, the example that was judged."""

    sequence: int
    given: GivenVerdict
    example: Example | None


@dataclass(frozen=True, kw_only=True)
class VerdictQuery:
    """Which verdicts are wanted, newest first; None means any. `before` is a sequence: where the page before ended."""

    name: str | None = None
    judge: str | None = None
    request_id: str | None = None
    event_id: str | None = None
    trace_id: str | None = None
    kind: str | None = None
    label: str | None = None
    role: str | None = None
    route: str | None = None
    since: str | None = None
    until: str | None = None
    before: int | None = None
    limit: int = 50


def columns(given: GivenVerdict, example: Example | None) -> dict[str, Any]:
    """The row of a verdict as plain JSON values."""
    verdict = given.verdict
    return {
        "id": given.id,
        "request_id": given.request_id,
        "event_id": given.event_id,
        "name": given.name,
        "judge": verdict.judge,
        "criterion_key": given.criterion,
        "role": given.role,
        "kind": verdict.kind,
        "label": verdict.label if verdict.kind == "decided" else None,
        "probability": verdict.probability if verdict.kind == "decided" else None,
        "action": given.action,
        "route": verdict.route,
        "service_ms": given.service_ms,
        "trace_id": given.trace_id,
        "record": to_text(given),
        "example": None if example is None else to_text(example),
        "created_at": given.created_at,
    }


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows made by `columns`; those whose id is there already change nothing."""
    for row in rows:
        check_key(row["id"], "A verdict's id")
    insert_new(connection, verdicts, rows)


def known(connection: Connection, verdict_ids: Iterable[str]) -> frozenset[str]:
    """Which of these ids have a row; one that no row can have has none."""
    found: set[str] = set()
    for batch in in_batches(filter(can_be_key, verdict_ids)):
        found.update(connection.scalars(select(verdicts.c.id).where(verdicts.c.id.in_(batch))))
    return frozenset(found)


def get(connection: Connection, verdict_id: str) -> StoredVerdict:
    """One verdict. Raises NotFoundError."""
    row = connection.execute(_selected().where(verdicts.c.id == verdict_id)).first()
    if row is None:
        raise NotFoundError(f"There is no verdict {shown(verdict_id)}.", next_step="list them: GET /v1/verdicts")
    return _stored(row)


def find(connection: Connection, query: VerdictQuery) -> tuple[StoredVerdict, ...]:
    """The newest verdicts that match, newest first."""
    wanted = _selected().order_by(verdicts.c.sequence.desc()).limit(query.limit)
    for name in ("name", "judge", "request_id", "event_id", "trace_id", "kind", "label", "role", "route"):
        value = getattr(query, name)
        if value is not None:
            wanted = wanted.where(verdicts.c[name] == value)
    if query.since is not None:
        wanted = wanted.where(verdicts.c.created_at >= query.since)
    if query.until is not None:
        wanted = wanted.where(verdicts.c.created_at < query.until)
    if query.before is not None:
        wanted = wanted.where(verdicts.c.sequence < query.before)
    return tuple(map(_stored, connection.execute(wanted)))


def count(connection: Connection) -> int:
    """How many there are."""
    return connection.scalar(select(func.count()).select_from(verdicts)) or 0


def forget_before(connection: Connection, created_at: str) -> int:
    """Delete the verdicts that are older than a time. Returns how many."""
    return connection.execute(delete(verdicts).where(verdicts.c.created_at < created_at)).rowcount


def _selected() -> Any:
    return select(verdicts.c.sequence, verdicts.c.record, verdicts.c.example)


def _stored(row: Any) -> StoredVerdict:
    where = "a verdict of the database"
    return StoredVerdict(
        sequence=row.sequence,
        given=from_text(GivenVerdict, row.record, where=where),
        example=None if row.example is None else from_text(Example, row.example, where=where),
    )
