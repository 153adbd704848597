"""CertificationRows: labelled rows drawn from production with known chances, which a judge was not made from.

`rows_of_queue` takes a labelling queue, whose drawing recorded each item's chance. `rows_as_stated` takes labelled
production rows that came by import, on the word of whoever imported them: nothing in a file proves how it was drawn.
Both refuse with "not certifiable from this sample" what cannot stand for production.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from assay.datasets.consensus import target_of
from assay.schema.certificate import Drawn
from assay.schema.criterion import Criterion
from assay.schema.errors import RefusedError
from assay.schema.example import Example
from assay.schema.label import Label, LabelSource
from assay.store import examples
from assay.store.database import Database
from assay.store.labelling import queues

MAX_UNLABELLED_SHARE = 0.05
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class CertificationRows:
    """The rows. A label is None where nobody gave one: such a row counts as wrong on whichever side it falls.

    `max_weight` bounds the weight of any production row, as far as the drawing tells; `left_out` counts rows that
    were not taken, by reason.
    """

    examples: tuple[Example, ...]
    labels: tuple[str | None, ...]
    weights: tuple[float, ...]  # inverse chances
    max_weight: float
    drawn: Drawn
    stated_by: str
    left_out: dict[str, int]


def rows_of_queue(
    database: Database, criterion: Criterion, queue: str, *, known: Collection[str], accept: Sequence[LabelSource]
) -> CertificationRows:
    """The items of a queue with the labels that were given to them.

    Args: `known`, ids of the examples that the judge was made from; `accept`, whose labels count. Raises NotFoundError
    (no queue), RefusedError (not certifiable).
    """
    with database.read() as connection:
        record = queues.get(connection, queue).record
        items = list(queues.iter_items(connection, queue))
        found = {example.id: example for example in queues.iter_examples(connection, [i.example_id for i in items])}
        labels = dict(_labelled(examples.iter_labelled(connection, criterion.key), set(found), accept))
    if record.criterion != criterion.key or record.pool != "unlabelled" or any(i.inclusion is None for i in items):
        raise _not_certifiable(
            "a queue that was drawn for this criterion from unlabelled rows",
            f"queue {queue!r}, for {record.criterion!r}, of {record.pool} rows, drawn by {record.by}",
        )
    foreign = sum(example.source != "production" for example in found.values())
    if foreign:
        raise _not_certifiable("a queue of production rows only", f"{foreign} of {len(items)} rows of other sources")
    fresh = [item for item in items if item.example_id not in known]
    unlabelled = sum(item.example_id not in labels for item in fresh)
    if unlabelled > MAX_UNLABELLED_SHARE * len(fresh) or not fresh:
        raise _not_certifiable(
            f"labels for at least {1 - MAX_UNLABELLED_SHARE:.0%} of a queue that the judge was not made from",
            f"{len(items)} rows, {len(items) - len(fresh)} in the judge's dataset, {unlabelled} without a label",
        )
    weights = tuple(1 / (item.inclusion or 1.0) for item in fresh)
    uniform = max(weights) - min(weights) <= _SAME * max(weights)
    return CertificationRows(
        examples=tuple(found[item.example_id] for item in fresh),
        labels=tuple(labels.get(item.example_id) for item in fresh),
        weights=weights,
        max_weight=max(*weights, record.pool_size / (record.uniform_share * record.size)),
        drawn="uniform" if uniform else "weighted",
        stated_by=f"queue {queue}",
        left_out={"in the judge's dataset": len(items) - len(fresh), "without a label, counted as wrong": unlabelled},
    )


def rows_as_stated(
    database: Database,
    criterion: Criterion,
    *,
    drawn: Drawn,
    stated_by: str,
    known: Collection[str],
    accept: Sequence[LabelSource],
) -> CertificationRows:
    """Every labelled production row of the criterion that the judge was not made from.

    Raises RefusedError: none is left, or rows stated to be drawn uniformly have different weights.
    """
    with database.read() as connection:
        labelled = examples.iter_labelled(connection, criterion.key)
        rows = [(example, target_of(_accepted(given, accept))) for example, given in labelled]
    left_out = {
        "not from production": sum(example.source != "production" for example, _ in rows),
        "in the judge's dataset": sum(example.id in known for example, _ in rows),
        f"no label of {', '.join(accept)}": sum(target is None for _, target in rows),
    }
    kept = [
        (example, target.value)
        for example, target in rows
        if example.source == "production" and example.id not in known and target is not None
    ]
    if not kept:
        raise _not_certifiable(
            "labelled production rows that the judge was not made from",
            f"{len(rows)} labelled rows: " + ", ".join(f"{count} {reason}" for reason, count in left_out.items()),
        )
    weights = tuple(example.weight for example, _ in kept)
    if drawn == "uniform" and max(weights) - min(weights) > _SAME * max(weights):
        raise _not_certifiable(
            "equal weights for rows drawn uniformly", f"weights from {min(weights):g} to {max(weights):g}"
        )
    return CertificationRows(
        examples=tuple(example for example, _ in kept),
        labels=tuple(value for _, value in kept),
        weights=weights,
        max_weight=max(weights),
        drawn=drawn,
        stated_by=stated_by,
        left_out=left_out,
    )


def not_stated(criterion: Criterion, labelled: int) -> RefusedError:
    """Nothing tells how the rows were drawn."""
    return _not_certifiable(
        "rows drawn from production with known chances",
        f"{labelled} labelled rows of {criterion.key!r}, and nothing that tells how they were drawn",
    )


def _accepted(given: Sequence[Label], accept: Sequence[LabelSource]) -> list[Label]:
    return [label for label in given if label.source in accept]


def _labelled(
    rows: Iterable[tuple[Example, tuple[Label, ...]]], wanted: Collection[str], accept: Sequence[LabelSource]
) -> Iterator[tuple[str, str]]:
    for example, given in rows:
        if example.id in wanted:
            target = target_of(_accepted(given, accept))
            if target is not None:
                yield example.id, target.value


def _not_certifiable(required: str, got: str) -> RefusedError:
    return RefusedError(
        "Not certifiable from this sample.",
        required=required,
        got=got,
        next_step="draw a queue of production rows (assay data next --source production), label it and name it "
        "(--queue NAME), or say how imported rows were drawn (--drawn uniform or weighted)",
    )
