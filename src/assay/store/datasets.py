"""The table of dataset versions. Their rows are blobs."""

from sqlalchemy import Column, Connection, ForeignKey, String, Table, insert, select

from assay.schema.dataset import DatasetVersion
from assay.schema.errors import ConflictError, NotFoundError, shown
from assay.schema.ids import short
from assay.store import criteria
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

datasets = Table(
    "datasets",
    metadata,
    sequence_column(),
    Column("id", KEY, nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("criterion_name", KEY, nullable=False, index=True),
    Column("criterion_key", KEY, ForeignKey(criteria.criteria.c.key), nullable=False),
    record_column(),
    time_column("created_at"),
)


def add(connection: Connection, dataset: DatasetVersion) -> None:
    """Record a dataset and its criterion; the same digest again changes nothing. Raises ConflictError."""
    criteria.record(connection, dataset.criterion)
    lock(connection, datasets)
    known = connection.scalar(select(datasets.c.digest).where(datasets.c.id == dataset.id))
    if known is None:
        connection.execute(
            insert(datasets).values(
                id=check_key(dataset.id, "A dataset's id"),
                digest=dataset.digest,
                criterion_name=dataset.criterion.name,
                criterion_key=dataset.criterion.key,
                record=to_text(dataset),
                created_at=dataset.created_at,
            )
        )
    elif known != dataset.digest:
        raise ConflictError(
            f"Dataset {dataset.id!r} exists with other rows.",
            required=f"digest {short(known)}…",
            got=f"digest {short(dataset.digest)}…",
            next_step="freeze with another seed",
        )


def get(connection: Connection, dataset_id: str) -> DatasetVersion:
    """The dataset with this id. Raises NotFoundError."""
    text = connection.scalar(select(datasets.c.record).where(datasets.c.id == dataset_id))
    if text is None:
        ids = list(connection.scalars(select(datasets.c.id).order_by(datasets.c.sequence.desc()).limit(5)))
        raise NotFoundError(
            f"There is no dataset {shown(dataset_id)}.",
            required=f"a frozen dataset, such as {', '.join(ids)}" if ids else "",
            next_step="freeze one: assay data freeze",
        )
    return from_text(DatasetVersion, text, where=f"dataset {dataset_id}")


def latest(connection: Connection, criterion_name: str) -> DatasetVersion | None:
    """The dataset of a criterion that was frozen last; None when there is none."""
    of_criterion = select(datasets.c.record).where(datasets.c.criterion_name == criterion_name)
    text = connection.scalar(of_criterion.order_by(datasets.c.sequence.desc()).limit(1))
    return None if text is None else from_text(DatasetVersion, text, where=f"a dataset of {criterion_name}")


def every(connection: Connection) -> tuple[DatasetVersion, ...]:
    """All datasets, oldest first."""
    rows = connection.scalars(select(datasets.c.record).order_by(datasets.c.sequence))
    return tuple(from_text(DatasetVersion, text, where="a dataset of the database") for text in rows)
