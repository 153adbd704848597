"""Probing a judge on rows of its test split, drawn at random."""

import random
from collections.abc import Callable, Sequence

from assay.judging.judge import Judge
from assay.schema.dataset import FrozenRow
from assay.validation.probes import Probed, probe


def probe_version(
    judge: Judge,
    test: Sequence[FrozenRow],
    rows: int,
    *,
    names: Sequence[str] = (),
    remove: Sequence[str] = (),
    on_batch: Callable[[int], None] | None = None,
) -> list[Probed]:
    """How often the judge's answer flips on `rows` of the test rows. Raises InputError (an unknown probe)."""
    size = max(0, min(rows, len(test)))
    drawn = random.Random(0).sample(test, size)  # noqa: S311 - ids may come in the order of labels
    return probe(judge, [row.example for row in drawn], names=names or None, remove=remove, on_batch=on_batch)
