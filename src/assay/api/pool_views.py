"""From opinions on the examples of a pool to the arrays that mining takes."""

from collections.abc import Mapping

import numpy as np

from assay.datasets.hard_negatives.views import NEGATIVE, POSITIVE, SILENT, View
from assay.labelling.queues import Pool
from assay.labelling.scores import Opinion
from assay.schema.criterion import Criterion

EVEN = 0.5  # from here on a bare probability is taken for the positive label


def view_of(opinions: Mapping[str, Opinion], pool: Pool, criterion: Criterion) -> View:
    """What the opinions say of each example of a pool, in its order; silent where there is none."""
    said = [_said(opinions.get(example_id), str(criterion.scale.positive)) for example_id in pool.ids]
    return View(positive=np.array([chance for chance, _ in said]), says=np.array([says for _, says in said]))


def _said(opinion: Opinion | None, positive: str) -> tuple[float, int]:
    if opinion is None or (opinion.label is None and not opinion.probabilities):
        return np.nan, SILENT
    chance = opinion.probabilities.get(positive, 0.0) if opinion.probabilities else float(opinion.label == positive)
    flagged = opinion.label == positive if opinion.label is not None else chance >= EVEN
    return chance, POSITIVE if flagged else NEGATIVE
