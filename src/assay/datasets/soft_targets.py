"""Soft targets: what a row's labellers said as shares of the labels, for a training that does not throw doubt away.

`soft_targets(rows, criterion)`: the probabilities of the weighted consensus where the freeze made one, else the shares
of the deciding votes. A row with one opinion, or with an adjudication, is as certain as before. It never says what a
row *is*: figures are always taken against the consensus.
"""

from collections.abc import Sequence

import numpy as np

from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow

CERTAIN = 0.999  # of a row's largest share: above it, nothing is softer than the label alone


def soft_targets(rows: Sequence[FrozenRow], criterion: Criterion) -> np.ndarray:  # (n, k), rows sum to 1
    """Shares of the labels a row, columns in the order of the scale."""
    table = np.zeros((len(rows), len(criterion.labels)))
    for place, row in enumerate(rows):
        shares = row.target.probabilities or row.target.votes
        table[place] = [shares.get(label, 0.0) for label in criterion.labels]
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def hard_targets(rows: Sequence[FrozenRow], criterion: Criterion) -> np.ndarray:  # (n, k), one 1 a row
    """The consensus of each row in the same form. Raises InputError for a row that no label decides."""
    table = np.zeros((len(rows), len(criterion.labels)))
    for place, row in enumerate(rows):
        table[place, criterion.labels.index(criterion.check_label(row.target.value))] = 1.0
    return table


def uncertain(table: np.ndarray) -> np.ndarray:  # (n, k) -> (n,) bool
    """Which rows say more than one label would.

    >>> uncertain(np.array([[1.0, 0.0], [0.75, 0.25]])).tolist()
    [False, True]
    """
    return np.asarray(table.max(axis=1, initial=0.0) < CERTAIN)
