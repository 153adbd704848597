"""The tables of queues and of their items; the pool that a queue is drawn from.

A queue's record and its items' inclusion probabilities are written once. What changes are an item's state (as `work`
settles it) and the counters on the queue, kept so that progress costs no counting. A growing queue is no drawing: its
record says size 0, and what it grew by is added where it is read. An item whose text was deleted by age is `expired`:
it keeps its place, counts as neither open nor finished, and points to the empty example.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    exists,
    insert,
    select,
    update,
)

from assay.schema.criterion import Criterion
from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.example import Example, ExampleSource
from assay.schema.ids import utc_now
from assay.schema.receipt import PROVENANCE
from assay.store import criteria
from assay.store.examples import examples, labelled_by
from assay.store.imports import imports
from assay.store.tables import (
    BATCH_ROWS,
    KEY,
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

Strategy: TypeAlias = Literal["uniform", "uncertainty", "disagreement", "coverage", "list", "hard-negatives"]
PoolKind: TypeAlias = Literal["unlabelled", "labelled"]
Stratum: TypeAlias = Literal["uniform", "targeted", "listed"]
ItemState: TypeAlias = Literal["free", "full", "agreed", "disputed", "adjudicated", "expired"]
FINISHED: tuple[ItemState, ...] = ("agreed", "disputed", "adjudicated")

label_queues = Table(
    "label_queues",
    metadata,
    sequence_column(),
    Column("name", KEY, nullable=False, unique=True),
    Column("criterion_key", KEY, ForeignKey(criteria.criteria.c.key), nullable=False, index=True),
    record_column(),
    Column("grown", Integer, nullable=False, server_default="0"),
    Column("finished", Integer, nullable=False),
    Column("disputed", Integer, nullable=False),
    Column("expired", Integer, nullable=False, server_default="0"),
    Column("closed_at", String, nullable=True),
    time_column("created_at"),
)

label_queue_items = Table(
    "label_queue_items",
    metadata,
    Column("queue", KEY, ForeignKey(label_queues.c.name), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("example_id", KEY, ForeignKey(examples.c.id), nullable=False, index=True),
    Column("inclusion", Float, nullable=True),
    Column("stratum", String, nullable=False),
    Column("score", Float, nullable=True),
    Column("hint", Text, nullable=True),
    Column("wanted", Integer, nullable=False),
    Column("state", String, nullable=False),
    Index("ix_label_queue_items_state", "queue", "state", "position"),
)


@dataclass(frozen=True, kw_only=True)
class QueueRecord:
    """How a queue was made; never changed.

    `pool` is what it was drawn from: examples without an expert's label, or with one (for relabelling). `pool_size`
    counts them. `uniform_share` of the drawing was uniform; `overlap_share` of the items go to `labellers_each` people.
    """

    name: str
    criterion: str  # its key
    by: Strategy
    pool: PoolKind
    pool_size: int
    size: int
    uniform_share: float
    overlap_share: float
    labellers_each: int
    blind: bool
    seed: int
    scored_by: str | None
    expected_gain: str
    created_at: str


@dataclass(frozen=True, kw_only=True)
class Queue:
    """A queue as it stands: its record, and how far it is. Nobody can answer `expired` items: their text is gone."""

    record: QueueRecord
    finished: int
    disputed: int
    expired: int
    closed_at: str | None


@dataclass(frozen=True, kw_only=True)
class QueueItem:
    """One example in a queue.

    `inclusion` is the probability with which the drawing took it, in (0, 1]; None where it was listed by hand.
    `stratum` tells what drew it. `wanted` labellers shall answer; 0: its stored labels differ and are to be settled.
    """

    position: int
    example_id: str
    inclusion: float | None
    stratum: Stratum
    score: float | None
    hint: str | None
    wanted: int
    state: ItemState = "free"


@dataclass(frozen=True, kw_only=True)
class PoolFilter:
    """Which examples may be drawn. `source` None: any. `imported_for` False takes examples of every import."""

    kind: PoolKind = "unlabelled"
    source: ExampleSource | None = None
    imported_for: bool = True


def add(connection: Connection, record: QueueRecord, items: Sequence[QueueItem]) -> None:
    """Record a queue with its items. Raises ConflictError (the name is taken)."""
    check_key(record.name, "A queue's name")
    if connection.scalar(select(label_queues.c.name).where(label_queues.c.name == record.name)) is not None:
        raise ConflictError(
            f"There is a queue {shown(record.name)} already.", required="a free name", next_step="give --name another"
        )
    row = {"name": record.name, "criterion_key": record.criterion, "record": to_text(record), "closed_at": None}
    counters = {
        "finished": sum(item.state in FINISHED for item in items),
        "disputed": sum(item.state == "disputed" for item in items),
    }
    connection.execute(insert(label_queues).values(**row, **counters, created_at=record.created_at))
    for batch in in_batches(items):
        connection.execute(insert(label_queue_items), [{"queue": record.name, **vars(item)} for item in batch])


def make_growing(connection: Connection, record: QueueRecord) -> Queue:
    """The queue of this name, made from the record where there is none, and kept from changing until the transaction
    ends: other processes may make it, too.
    """
    check_key(record.name, "A queue's name")
    row = {"name": record.name, "criterion_key": record.criterion, "record": to_text(record), "closed_at": None}
    counters = {"grown": 0, "finished": 0, "disputed": 0, "expired": 0}
    insert_new(connection, label_queues, [{**row, **counters, "created_at": record.created_at}])
    connection.execute(select(label_queues.c.name).where(label_queues.c.name == record.name).with_for_update())
    return get(connection, record.name)


def grow(connection: Connection, queue: str, example_id: str, *, score: float | None) -> int:
    """Add an example at the end of a growing queue. Returns its position."""
    longer = update(label_queues).where(label_queues.c.name == queue).values(grown=label_queues.c.grown + 1)
    connection.execute(longer)
    position = get(connection, queue).record.size - 1
    new = QueueItem(
        position=position,
        example_id=example_id,
        inclusion=None,
        stratum="listed",
        score=score,
        hint=None,
        wanted=1,
    )
    connection.execute(insert(label_queue_items).values(queue=queue, **vars(new)))
    return position


def hold_growing(connection: Connection) -> None:
    """Keep every growing queue from changing until the transaction ends."""
    growing = select(label_queues.c.name).where(label_queues.c.grown > 0)
    connection.execute(growing.order_by(label_queues.c.name).with_for_update()).all()


def position_of(connection: Connection, queue: str, example_id: str) -> int | None:
    """Where an example stands in a queue; None where it does not."""
    mine = (label_queue_items.c.queue == queue) & (label_queue_items.c.example_id == example_id)
    return connection.scalar(select(label_queue_items.c.position).where(mine).limit(1))


def get(connection: Connection, name: str) -> Queue:
    """A queue by its name. Raises NotFoundError."""
    row = connection.execute(select(label_queues).where(label_queues.c.name == name)).mappings().one_or_none()
    if row is None:
        names = list(connection.scalars(select(label_queues.c.name).order_by(label_queues.c.sequence.desc()).limit(5)))
        raise NotFoundError(
            f"There is no queue {shown(name)}.",
            required=f"a queue, such as {', '.join(names)}" if names else "",
            next_step="assay label queue list",
        )
    return _queue(row)


def every(connection: Connection) -> tuple[Queue, ...]:
    """All queues, oldest first."""
    rows = connection.execute(select(label_queues).order_by(label_queues.c.sequence)).mappings()
    return tuple(_queue(row) for row in rows)


def close(connection: Connection, name: str) -> None:
    """Take a queue off the page; its labels and weights stay. Raises NotFoundError."""
    get(connection, name)
    connection.execute(update(label_queues).where(label_queues.c.name == name).values(closed_at=utc_now()))


def item(connection: Connection, queue: str, position: int) -> QueueItem:
    """One item. Raises NotFoundError."""
    here = (label_queue_items.c.queue == queue) & (label_queue_items.c.position == position)
    row = connection.execute(select(label_queue_items).where(here)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"Queue {shown(queue)} has no item at position {position}.")
    return _item(row)


def iter_items(connection: Connection, queue: str) -> Iterator[QueueItem]:
    """All items in the order of their positions. Streams while the connection's transaction is open."""
    rows = select(label_queue_items).where(label_queue_items.c.queue == queue).order_by(label_queue_items.c.position)
    for row in connection.execute(rows.execution_options(yield_per=BATCH_ROWS)).mappings():
        yield _item(row)


def next_disputed(connection: Connection, queue: str, after: int) -> QueueItem | None:
    """The first item behind a position whose labellers disagree."""
    mine = label_queue_items.c
    rows = select(label_queue_items).where(mine.queue == queue, mine.state == "disputed", mine.position > after)
    row = connection.execute(rows.order_by(mine.position).limit(1)).mappings().one_or_none()
    return None if row is None else _item(row)


def pool(connection: Connection, criterion: Criterion, wanted: PoolFilter) -> list[str]:
    """The ids of the examples that may be drawn, in byte order: with text in a field that the criterion reads, and not
    waiting in an open queue of the criterion. What is there only because a judge escalated it is no sample of anything.
    """
    statement = select(examples.c.id, examples.c.record).where(*_conditions(criterion, wanted)).order_by(examples.c.id)
    found = []
    for example_id, text in connection.execute(statement.execution_options(yield_per=BATCH_ROWS)):
        values = json.loads(text)
        # what was made from other rows is no part of production: it is drawn only where synthetic texts are asked for
        made_up = values["source"] == "synthetic" and PROVENANCE in values["meta"] and wanted.source is None
        of_source = wanted.source in (None, values["source"]) and not made_up
        if of_source and any(values.get(field) for field in criterion.reads):
            found.append(example_id)
    return found


def iter_examples(connection: Connection, ids: Sequence[str]) -> Iterator[Example]:
    """Examples by their ids, in that order. Raises NotFoundError for an id that is not there."""
    for batch in in_batches(ids):
        rows = dict(connection.execute(select(examples.c.id, examples.c.record).where(examples.c.id.in_(batch))).all())
        for example_id in batch:
            if example_id not in rows:
                raise NotFoundError(
                    f"There is no example {shown(example_id)}.", next_step="import it: assay data import"
                )
            yield from_text(Example, rows[example_id], where=f"example {shown(example_id)}")


def _conditions(criterion: Criterion, wanted: PoolFilter) -> list[ColumnElement[bool]]:
    by_expert = examples.c.id.in_(labelled_by(criterion.key, "expert"))
    waiting = exists().where(
        label_queue_items.c.example_id == examples.c.id,
        label_queue_items.c.queue == label_queues.c.name,
        label_queues.c.criterion_key == criterion.key,
        label_queues.c.closed_at.is_(None),
    )
    conditions = [by_expert if wanted.kind == "labelled" else ~by_expert, ~waiting]
    conditions.append(examples.c.escalated_at.is_(None))
    if wanted.imported_for:
        of_name = select(imports.c.id).join(criteria.criteria, criteria.criteria.c.key == imports.c.criterion_key)
        mine = of_name.where(criteria.criteria.c.name == criterion.name)
        conditions.append(examples.c.import_id.is_(None) | examples.c.import_id.in_(mine))
    return conditions


def _queue(row: RowMapping) -> Queue:
    record = from_text(QueueRecord, row["record"], where=f"queue {row['name']}")
    record = replace(record, size=record.size + row["grown"])
    return Queue(record=record, **{name: row[name] for name in ("finished", "disputed", "expired", "closed_at")})


def _item(row: RowMapping) -> QueueItem:
    return QueueItem(**{name: value for name, value in row.items() if name != "queue"})
