"""The table of contrast sets: rows that judges are compared on and never trained on. The rows themselves are blobs."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, Connection, String, Table, insert, select

from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.ids import short
from assay.store.tables import (
    KEY,
    check_key,
    from_text,
    lock,
    metadata,
    record_column,
    sequence_column,
    time_column,
    to_text,
)

contrast_sets = Table(
    "contrast_sets",
    metadata,
    sequence_column(),
    Column("name", KEY, nullable=False, unique=True),
    Column("criterion_name", KEY, nullable=False, index=True),
    Column("rows_blob", String(64), nullable=False),
    record_column(),
    time_column("created_at"),
)


@dataclass(frozen=True, kw_only=True)
class ContrastSet:
    """One set as it was registered; never changed. `rows_blob` names its rows by their SHA-256; `by_label` is empty
    where it has no labels: it then only keeps its texts out of training.
    """

    name: str
    criterion: str  # the name; its texts are kept apart under every version
    rows_blob: str
    rows: int
    by_label: Mapping[str, int]
    created_at: str


def add(connection: Connection, one: ContrastSet) -> None:
    """Register a set; the same again changes nothing. Raises ConflictError: the name stands for other rows, or for a
    set of another criterion.
    """
    lock(connection, contrast_sets)
    columns = contrast_sets.c
    named = select(columns.rows_blob, columns.criterion_name).where(columns.name == one.name)
    known = connection.execute(named).one_or_none()
    if known is None:
        row = {"name": check_key(one.name, "A contrast set's name"), "criterion_name": one.criterion}
        values = {**row, "rows_blob": one.rows_blob, "record": to_text(one), "created_at": one.created_at}
        connection.execute(insert(contrast_sets).values(values))
    elif known.criterion_name != one.criterion:
        raise ConflictError(
            f"There is a contrast set {shown(one.name)} of criterion {shown(known.criterion_name)}.",
            required=f"a name that no set of another criterion has, for criterion {shown(one.criterion)}",
            got=shown(one.name),
            next_step="give --name another",
        )
    elif known.rows_blob != one.rows_blob:
        raise ConflictError(
            f"There is a contrast set {shown(one.name)} with other rows; a fixed set does not change.",
            required=f"the rows with digest {short(known.rows_blob)}…",
            got=f"digest {short(one.rows_blob)}…",
            next_step="give --name another",
        )


def get(connection: Connection, name: str) -> ContrastSet:
    """A set by its name. Raises NotFoundError."""
    text = connection.scalar(select(contrast_sets.c.record).where(contrast_sets.c.name == name))
    if text is None:
        names = list(connection.scalars(select(contrast_sets.c.name).order_by(contrast_sets.c.sequence)))
        raise NotFoundError(
            f"There is no contrast set {shown(name)}.",
            required=f"one of {shown(names, 200)}" if names else "",
            next_step="register one: assay data contrast CRITERION FILE --name NAME",
        )
    return from_text(ContrastSet, text, where=f"contrast set {name}")


def of_criterion(connection: Connection, criterion_name: str) -> tuple[ContrastSet, ...]:
    """The sets of a criterion, oldest first."""
    mine = select(contrast_sets.c.record).where(contrast_sets.c.criterion_name == criterion_name)
    rows = connection.scalars(mine.order_by(contrast_sets.c.sequence))
    return tuple(from_text(ContrastSet, text, where="a contrast set of the database") for text in rows)
