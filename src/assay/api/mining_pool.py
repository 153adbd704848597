"""What hard negatives are mined from, and around: the traffic that nobody labelled, and the rows that people did.

`mining_pool(…)` leaves out what stands in a contrast set. It computes nothing itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assay.datasets.candidates import judged_key
from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.consensus import target_of
from assay.datasets.contrast import in_contrast, stored_texts_apart
from assay.labelling.queues import Pool, QueuePlan, pool_of
from assay.schema.criterion import Criterion
from assay.schema.errors import RefusedError, shown
from assay.schema.example import Example
from assay.schema.label import LabelSource
from assay.store.blobs import Blobs
from assay.store.database import Database
from assay.store.labelling import queues

PEOPLE: tuple[LabelSource, ...] = ("expert", "crowd", "author")  # a teacher, a user or a rule gives only an opinion


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """The rows that people labelled: their ids, and their texts folded; the positive ones as they are, with ids."""

    ids: frozenset[str]
    known: tuple[str, ...]
    positives: tuple[str, ...]
    positive_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MiningPool:
    """A pool, its examples in order, and how many rows each contrast set took out of it."""

    pool: Pool
    examples: tuple[Example, ...]
    in_contrast: Mapping[str, int]


def labelled_by_people(database: Database, criterion: Criterion) -> LabelledRows:
    """The rows with a target by people. Raises RefusedError: none of them is positive."""
    with database.read() as connection:
        rows = [
            (example, target.value)
            for example, labels in labelled_with_carried(connection, criterion)
            if (target := target_of(label for label in labels if label.source in PEOPLE)) is not None
        ]
    positives = [example for example, value in rows if value == criterion.scale.positive]
    if not positives:
        raise RefusedError(
            f"Nobody labelled an example {shown(criterion.scale.positive)}: there is nothing to search around.",
            required=f"at least one positive label of source {', '.join(PEOPLE)}",
            got=f"{len(rows):,} labelled examples",
            next_step=f"assay data import FILE --criterion {criterion.name}",
        )
    return LabelledRows(
        ids=frozenset(example.id for example, _ in rows),
        known=tuple(judged_key(example, criterion.reads) for example, _ in rows),
        positives=tuple(example.text(criterion.reads) for example in positives),
        positive_ids=tuple(example.id for example in positives),
    )


def mining_pool(
    database: Database, blobs: Blobs, criterion: Criterion, plan: QueuePlan, labelled: LabelledRows, similar: float
) -> MiningPool:
    """The plan's pool without what people labelled (it is trained on already) and without what equals or nearly equals
    a row of a contrast set. `similar` is a Jaccard similarity. Raises RefusedError: nothing is left.
    """
    whole = pool_of(database, criterion, plan)
    ids = [example_id for example_id in whole.ids if example_id not in labelled.ids]
    if not ids:
        raise _nothing_left(criterion, "is labelled already", len(whole.ids))
    with database.read() as connection:
        apart = stored_texts_apart(connection, blobs, criterion)
        examples = list(queues.iter_examples(connection, ids))
    held = {name: in_contrast(examples, criterion, texts, similar) for name, texts in apart.items()}
    free = np.flatnonzero(~np.any([np.zeros(len(ids), dtype=bool), *held.values()], axis=0)).tolist()
    if not free:
        raise _nothing_left(criterion, f"stands in a contrast set ({', '.join(apart)})", len(ids))
    size = round(whole.size * len(free) / len(whole.ids))  # of the whole, where only a part of it is considered
    return MiningPool(
        pool=Pool(ids=tuple(ids[place] for place in free), size=size),
        examples=tuple(examples[place] for place in free),
        in_contrast={name: int(mask.sum()) for name, mask in held.items()},
    )


def _nothing_left(criterion: Criterion, why: str, rows: int) -> RefusedError:
    return RefusedError(
        f"Every example of the pool {why}.",
        required="traffic that nobody labelled and that judges are not compared on",
        got=f"{rows:,} examples",
        next_step=f"import some: assay data import FILE --criterion {criterion.name}",
    )
