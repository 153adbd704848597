"""The log of answers: every label, skip, undo and adjudication as it came, with its note and its highlights.

Append-only. The page gives each answer a key of its own, so that one which is sent twice is taken once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    insert,
    select,
)

from assay.store.labelling.queues import label_queues
from assay.store.tables import (
    BATCH_ROWS,
    KEY,
    check_key,
    from_text,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

AnswerKind: TypeAlias = Literal["label", "skip", "undo", "adjudicate"]

label_events = Table(
    "label_events",
    metadata,
    sequence_column(),
    Column("labeller", KEY, nullable=False),
    Column("key", KEY, nullable=False),
    Column("queue", KEY, ForeignKey(label_queues.c.name), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("value", KEY, nullable=True),
    Column("added", Boolean, nullable=False),
    record_column(),
    time_column("at"),
    Index("ix_label_events_key", "labeller", "key", unique=True),
    Index("ix_label_events_item", "queue", "position", "sequence"),
)


@dataclass(frozen=True, kw_only=True)
class Highlight:
    """A marked span of one field: characters `start` to `end` (Unicode code points) of its text; `turn` counts the
    turns of a conversation from 0.
    """

    field: str
    start: int
    end: int
    turn: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer. `key` is the page's own name for it; `took_s` the seconds of attention that went into it."""

    key: str
    queue: str
    position: int
    kind: AnswerKind
    value: str | None = None
    note: str = ""
    highlights: tuple[Highlight, ...] = ()
    took_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Logged:
    """An answer in the log. `added`: it became a row of the labels (a labeller's same answer again does not)."""

    sequence: int
    labeller: str
    answer: Answer
    added: bool
    at: str


def by_key(connection: Connection, labeller: str, key: str) -> Logged | None:
    """The answer that came with this key; None when none has come yet."""
    here = (label_events.c.labeller == labeller) & (label_events.c.key == key)
    row = connection.execute(select(label_events).where(here)).mappings().one_or_none()
    return None if row is None else _logged(row)


def get(connection: Connection, sequence: int) -> Logged:
    """One row of the log."""
    return _logged(connection.execute(select(label_events).where(label_events.c.sequence == sequence)).mappings().one())


def add(connection: Connection, labeller: str, answer: Answer, *, added: bool, at: str) -> int:
    """Log an answer. Returns its place in the log."""
    row = {
        "labeller": labeller,
        "key": check_key(answer.key, "The key of an answer"),
        "queue": answer.queue,
        "position": answer.position,
        "kind": answer.kind,
        "value": answer.value,
        "added": added,
        "record": to_text(answer),
        "at": at,
    }
    return int(connection.execute(insert(label_events).values(row).returning(label_events.c.sequence)).scalar_one())


def iter_log(connection: Connection, queue: str) -> Iterator[Logged]:
    """All answers of a queue, by item, then as they came. Streams while the connection's transaction is open."""
    rows = select(label_events).where(label_events.c.queue == queue)
    rows = rows.order_by(label_events.c.position, label_events.c.sequence)
    for row in connection.execute(rows.execution_options(yield_per=BATCH_ROWS)).mappings():
        yield _logged(row)


def _logged(row: RowMapping) -> Logged:
    answer = from_text(Answer, row["record"], where="an answer of the database")
    return Logged(sequence=row["sequence"], labeller=row["labeller"], answer=answer, added=row["added"], at=row["at"])
