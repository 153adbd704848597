"""Folds for cross-validation in which rows of one group stay together."""

import numpy as np

FOLDS = 5


def fold_of(group: np.ndarray, seed: int = 0, folds: int = FOLDS) -> np.ndarray:  # (n,) int -> (n,) int in [0, folds)
    """The fold of each row; groups are dealt out at random.

    >>> folds = fold_of(np.array([0, 0, 1, 2, 2, 3, 4]))
    >>> bool(folds[0] == folds[1] and folds[3] == folds[4])
    True
    """
    places = np.unique(group, return_inverse=True)[1]
    dealt = np.random.default_rng(seed).permutation(int(places.max()) + 1) % folds
    return np.asarray(dealt[places])
