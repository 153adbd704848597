"""Folds for cross-validation in which rows of one group stay together, and a bounded part of many texts."""

import random
from collections.abc import Sequence

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


def some_of(texts: Sequence[str], most: int, seed: int = 0) -> list[str]:
    """At most so many of the texts, drawn at random where there are more.

    >>> some_of(["a", "b"], 5), len(some_of(["a", "b", "c"], 2))
    (['a', 'b'], 2)
    """
    if len(texts) <= most:
        return list(texts)
    return random.Random(seed).sample(list(texts), most)  # noqa: S311 - a sample, no secret
