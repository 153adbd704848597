"""Exporting labelled examples, or the examples of a queue, to files that other tools read.

export_labelled(database, criterion, "label-studio", Path("advice-ls"))
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.consensus import target_of
from assay.ingest.exporting.formats import ExportFormat, Written, write_export
from assay.ingest.exporting.row import ExportRow
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError
from assay.store.database import Database
from assay.store.labelling import queues

OnRow = Callable[[int], None]


def export_labelled(
    database: Database,
    criterion: Criterion,
    name: ExportFormat,
    path: Path,
    *,
    queue: str | None = None,
    on_row: OnRow | None = None,
) -> Written:
    """Write the labelled examples of a criterion with every current label; with `queue` the examples of that queue
    without labels, to be labelled elsewhere.

    Raises InputError, ConflictError as `ingest.exporting.formats.write_export`; NotFoundError (no such queue).
    """

    def rows() -> Iterator[ExportRow]:
        found = _labelled(database, criterion) if queue is None else _queued(database, criterion, queue)
        for number, row in enumerate(found, start=1):
            yield row
            if on_row is not None:
                on_row(number)

    return write_export(rows, criterion, name, path)


def _labelled(database: Database, criterion: Criterion) -> Iterator[ExportRow]:
    with database.read() as connection:
        for example, labels in labelled_with_carried(connection, criterion):
            target = target_of(labels)
            yield ExportRow(example=example, labels=tuple(labels), target=None if target is None else target.value)


def _queued(database: Database, criterion: Criterion, name: str) -> Iterator[ExportRow]:
    with database.read() as connection:
        queue = queues.get(connection, name)
        if queue.record.criterion != criterion.key:
            raise InputError(
                f"The queue {name!r} is for another criterion.",
                required=f"a queue of {criterion.key}",
                got=queue.record.criterion,
            )
        ids = [item.example_id for item in queues.iter_items(connection, name) if item.state != "expired"]
        yield from (ExportRow(example=example) for example in queues.iter_examples(connection, ids))
