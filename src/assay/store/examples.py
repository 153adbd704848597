"""The tables of examples and of their labels.

An example is written once and never changed; a label is never changed either: when a labeller answers anew, a newer
row is added and readers take each labeller's newest. An answer taken back is a newer row too: the answer before it
again, or, where there was none, a row marked as withdrawn. Whole imports are streamed in both directions.

Whoever adds takes turns, which may last as long as an import does. An example that a judge escalated waits for nobody,
and is here only for the time being: `escalated_at` says so until an import brings it, too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Select,
    String,
    Subquery,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.label import Label, LabelSource
from assay.store import criteria
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
    take_turns,
    time_column,
    to_text,
)

NO_TEXT = ""  # the id of the example that stands for every one whose text is gone; check_key refuses it to all others


def _import_column() -> Column[str | None]:
    # Deferred: an import is logged with its counts, which are known only after its rows were added.
    return Column("import_id", KEY, ForeignKey(imports.c.id, deferrable=True, initially="DEFERRED"), nullable=True)


examples = Table(
    "examples",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("content_digest", String(64), nullable=False),
    record_column(),
    _import_column(),
    time_column("created_at"),
    Column("escalated_at", String, nullable=True, index=True),  # set: here only because a judge escalated it
)

labels = Table(
    "labels",
    metadata,
    sequence_column(),
    Column("example_id", KEY, ForeignKey(examples.c.id), nullable=False),
    Column("criterion_key", KEY, ForeignKey(criteria.criteria.c.key), nullable=False),
    Column("labeller", KEY, nullable=False),
    Column("value", KEY, nullable=False),
    Column("source", String, nullable=False),
    Column("given_at", String, nullable=True),
    record_column(),
    _import_column(),
    time_column("created_at"),
    Column("withdrawn_at", String, nullable=True),  # set: from this row on the labeller says nothing of the example
    Index("ix_labels_current", "criterion_key", "example_id", "labeller", "sequence"),
    Index("ix_labels_example_id", "example_id"),
)

_Opinion: TypeAlias = tuple[str, str, str | None]  # value, source, the date it was given
_Opinions: TypeAlias = dict[tuple[str, str, str], list[_Opinion]]  # by example, criterion and labeller; oldest first


@dataclass(frozen=True, kw_only=True)
class Added:
    """How many of the given rows were new and how many were there already."""

    new_examples: int
    known_examples: int
    new_labels: int
    known_labels: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much there is for one criterion; only each labeller's newest label counts."""

    examples: int
    labels: int
    by_value: Mapping[str, int]
    by_source: Mapping[str, int]


def add(
    connection: Connection, example_rows: Iterable[Example], label_rows: Iterable[Label], import_id: str | None
) -> Added:
    """Add examples, then labels, in batches; both may be generators. Adding the same rows again changes nothing.

    Args: `import_id`, the import they came with (to be logged by `imports.add` in the same transaction), None when
    they came otherwise. Raises ConflictError when one id stands for two contents; NotFoundError when a label's
    example or criterion is not there. The provenance that an example came with first is kept.
    """
    take_turn(connection)
    sizes = [(len(batch), _add_examples(connection, batch, import_id)) for batch in in_batches(example_rows)]
    label_sizes = [(len(batch), _add_labels(connection, batch, import_id)) for batch in in_batches(label_rows)]
    return Added(
        new_examples=sum(new for _, new in sizes),
        known_examples=sum(rows - new for rows, new in sizes),
        new_labels=sum(new for _, new in label_sizes),
        known_labels=sum(rows - new for rows, new in label_sizes),
    )


def take_turn(connection: Connection) -> None:
    """Wait until nobody else is adding examples or labels, and let nobody else begin until the transaction ends."""
    take_turns(connection, examples, labels)


def add_escalated(connection: Connection, example: Example, escalated_at: str) -> None:
    """Add an example that a judge escalated, if it is not here. It does not wait for an import that is writing, except
    where that brings the very same example. Raises ConflictError when its id stands for another content.
    """
    check_key(example.id, "An example's id")
    insert_new(connection, examples, [{**_row(example, None), "escalated_at": escalated_at}])
    here = select(examples.c.content_digest).where(examples.c.id == example.id)
    if connection.scalar(here) != example.content_digest:
        raise _two_contents(example.id)


def escalated_before(escalated_at: str) -> Select[str]:
    """The ids of the examples that are here only because a judge escalated them before a time, and that nobody ever
    labelled, as a query to build on.
    """
    labelled = exists().where(labels.c.example_id == examples.c.id)
    return select(examples.c.id).where(examples.c.escalated_at < escalated_at, ~labelled)


def make_no_text(connection: Connection) -> None:
    """Have the empty example `NO_TEXT`, which stands for those whose text is gone."""
    insert_new(connection, examples, [_row(Example(id=NO_TEXT), None)])


def forget(connection: Connection, ids: Sequence[str]) -> None:
    """Delete examples that nothing refers to any more."""
    connection.execute(delete(examples).where(examples.c.id.in_(ids)))


def iter_labelled(connection: Connection, criterion_key: str) -> Iterator[tuple[Example, tuple[Label, ...]]]:
    """Each example with labels for the criterion, in the byte order of ids, with its current labels by labeller.

    Streams while the connection's transaction is open.
    """
    current = _current(criterion_key)
    statement = (
        select(examples.c.record, labels.c.record)
        .select_from(current)
        .join(labels, labels.c.sequence == current.c.sequence)
        .join(examples, examples.c.id == labels.c.example_id)
        .where(labels.c.withdrawn_at.is_(None))
        .order_by(examples.c.id, labels.c.labeller)
        .execution_options(yield_per=BATCH_ROWS)
    )
    rows = connection.execute(statement)
    for text, group in groupby(rows, key=lambda row: row[0]):
        opinions = tuple(from_text(Label, label, where="a label of the database") for _, label in group)
        yield from_text(Example, text, where="an example of the database"), opinions


def labels_of(connection: Connection, example_id: str, criterion_key: str) -> tuple[Label, ...]:
    """The current labels of one example, by labeller."""
    here = (labels.c.criterion_key == criterion_key) & (labels.c.example_id == example_id)
    rows = select(labels.c.labeller, labels.c.record, labels.c.withdrawn_at).where(here).order_by(labels.c.sequence)
    newest = {row.labeller: row for row in connection.execute(rows)}
    standing = [row for _, row in sorted(newest.items()) if row.withdrawn_at is None]
    return tuple(from_text(Label, row.record, where="a label of the database") for row in standing)


def take_back(connection: Connection, label: Label) -> None:
    """Take a labeller's newest answer back: the one before it holds again, or none. Call it for a label that was added,
    in the order of the answers.
    """
    take_turn(connection)
    opinions = select(labels).where(
        labels.c.example_id == label.example_id,
        labels.c.criterion_key == label.criterion,
        labels.c.labeller == label.labeller,
    )
    newest, *older = connection.execute(opinions.order_by(labels.c.sequence.desc()).limit(2)).mappings()
    again = {**(older[0] if older else {**newest, "withdrawn_at": utc_now()}), "created_at": utc_now()}
    connection.execute(insert(labels), [{name: value for name, value in again.items() if name != "sequence"}])


def counts(connection: Connection, criterion_key: str) -> Counts:
    """Counts of the examples and current labels of a criterion."""
    current = _current(criterion_key)
    newest = select(labels).join(current, labels.c.sequence == current.c.sequence)
    rows = newest.where(labels.c.withdrawn_at.is_(None)).subquery()
    by_value = select(rows.c.value, func.count()).group_by(rows.c.value).order_by(rows.c.value)
    by_source = select(rows.c.source, func.count()).group_by(rows.c.source).order_by(rows.c.source)
    return Counts(
        examples=connection.scalar(select(func.count(rows.c.example_id.distinct()))) or 0,
        labels=connection.scalar(select(func.count()).select_from(rows)) or 0,
        by_value=dict(connection.execute(by_value).all()),
        by_source=dict(connection.execute(by_source).all()),
    )


def labelled_by(criterion_key: str, source: LabelSource) -> Select[str]:
    """The ids of the examples that have a current label of this source, as a query to build on."""
    current = _current(criterion_key)
    newest = select(labels.c.example_id).join(current, labels.c.sequence == current.c.sequence)
    return newest.where(labels.c.source == source, labels.c.withdrawn_at.is_(None))


def _current(criterion_key: str) -> Subquery:
    newest = select(func.max(labels.c.sequence).label("sequence")).where(labels.c.criterion_key == criterion_key)
    return newest.group_by(labels.c.example_id, labels.c.labeller).subquery("current")


def _add_examples(connection: Connection, batch: Sequence[Example], import_id: str | None) -> int:
    ids = [check_key(example.id, "An example's id") for example in batch]
    matching = select(examples.c.id, examples.c.content_digest).where(examples.c.id.in_(ids))
    digests = dict(connection.execute(matching).all())
    stored = set(digests)
    fresh = []
    for example in batch:
        digest = example.content_digest
        known = digests.setdefault(example.id, digest)
        if known != digest:
            raise _two_contents(example.id)
        if example.id in stored:
            continue
        stored.add(example.id)
        fresh.append(_row(example, import_id))
    insert_new(connection, examples, fresh)
    if fresh:
        _check_digests(connection, digests)
    if import_id is not None:
        escalated = examples.c.id.in_(ids) & examples.c.escalated_at.is_not(None)
        connection.execute(update(examples).where(escalated).values(escalated_at=None, import_id=import_id))
    return len(fresh)


def _row(example: Example, import_id: str | None) -> dict[str, str | None]:
    row = {"id": example.id, "content_digest": example.content_digest, "record": to_text(example)}
    return {**row, "import_id": import_id, "created_at": utc_now()}


def _check_digests(connection: Connection, wanted: Mapping[str, str]) -> None:
    """An example that was escalated in this very moment may have come first, with another content."""
    rows = connection.execute(select(examples.c.id, examples.c.content_digest).where(examples.c.id.in_(wanted)))
    for example_id, digest in rows:
        if digest != wanted[example_id]:
            raise _two_contents(example_id)


def _two_contents(example_id: str) -> ConflictError:
    return ConflictError(
        f"Example id {shown(example_id)} stands for two different contents.",
        required="one content for an id",
        next_step="give one of them another id, or leave the ids out and they are made from the content",
    )


def _add_labels(connection: Connection, batch: Sequence[Label], import_id: str | None) -> int:
    _check_batch(connection, batch)
    opinions = _opinions(connection, batch)
    fresh = []
    for label in batch:
        given = opinions.setdefault((label.example_id, label.criterion, label.labeller), [])
        opinion = (label.value, label.source, label.created_at)
        if _is_known(opinion, given):
            continue
        given.append(opinion)
        row = {
            "example_id": label.example_id,
            "criterion_key": label.criterion,
            "labeller": label.labeller,
            "value": label.value,
            "source": label.source,
            "given_at": label.created_at,
        }
        fresh.append({**row, "record": to_text(label), "import_id": import_id, "created_at": utc_now()})
    if fresh:
        connection.execute(insert(labels), fresh)
    return len(fresh)


def _is_known(opinion: _Opinion, given: Sequence[_Opinion]) -> bool:
    """The labeller's current answer, or an earlier one that comes again with its date (an old file imported anew)."""
    if not given:
        return False
    return opinion[:2] == given[-1][:2] or (opinion[2] is not None and opinion in given)


def _opinions(connection: Connection, batch: Sequence[Label]) -> _Opinions:
    row = labels.c
    rows = connection.execute(
        select(row.example_id, row.criterion_key, row.labeller, row.value, row.source, row.given_at, row.withdrawn_at)
        .where(row.example_id.in_({label.example_id for label in batch}))
        .order_by(row.sequence)
    )
    opinions: _Opinions = {}
    for example_id, criterion_key, labeller, value, source, given_at, withdrawn_at in rows:
        opinion = (value, source, given_at) if withdrawn_at is None else ("", source, withdrawn_at)
        opinions.setdefault((example_id, criterion_key, labeller), []).append(opinion)
    return opinions


def _check_batch(connection: Connection, batch: Sequence[Label]) -> None:
    for labeller, value in {(label.labeller, label.value) for label in batch}:
        check_key(labeller, "A labeller's name")
        check_key(value, "A label")
    for key in sorted({label.criterion for label in batch}):
        criteria.get(connection, key)
    ids = {check_key(label.example_id, "The example id of a label") for label in batch}
    known = set(connection.scalars(select(examples.c.id).where(examples.c.id.in_(ids))))
    if ids - known:
        raise NotFoundError(
            f"A label belongs to an example that is not there: {shown(min(ids - known))}.",
            required="an example that came with the label or was imported before",
            next_step="import the example with its label",
        )
