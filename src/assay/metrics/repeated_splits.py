"""The mean of a measure over several splits of one data set, with the interval of that mean.

Each split trained its own judge and has its own test rows, but the rows come from one data set: some are in two test
splits. `mean_over_splits` draws the groups of the whole data set again and takes a group's rows into, or out of, every
test split that holds them, so that what two splits share moves both. The mean of the splits' own bounds, which it
replaces, is the interval for splits with the same test rows: with three splits that share a fifth of their test rows
it is half as wide again as it should be.

The judges are taken as given, as in every interval of a test split: it says how far this mean would move on other rows,
not on other training rows. (A simulation of both is in docs/decisions/0012.)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.metrics.intervals import Estimate
from assay.metrics.resampling import Resampling, Statistic, percentiles


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitRows:
    """The test rows of one split: `groups` (n,) with names that mean the same in every split, and the arrays (n, …)
    that the statistic takes.
    """

    groups: Sequence[Any] | np.ndarray
    arrays: tuple[np.ndarray, ...]


def mean_over_splits(
    statistic: Statistic,  # (weights (s, n), *arrays) -> (s,)
    splits: Sequence[SplitRows],
    *,
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """Mean over the splits of the statistic, with a percentile bootstrap over the groups of all of them together.

    `n` counts the rows of all test splits, a row that two hold twice. Raises ValueError where there is no split, or the
    statistic is undefined on one.

    >>> share = lambda weights, x: weights @ x / weights.sum(axis=1)
    >>> rows = SplitRows(groups=["a", "b", "c", "d"], arrays=(np.array([0.0, 0.0, 1.0, 1.0]),))
    >>> mean_over_splits(share, [rows, rows]).value
    0.5
    """
    if not splits:
        raise ValueError("A mean over splits needs at least one split; there are none.")
    value = float(np.mean([statistic(np.ones((1, len(one.groups))), *one.arrays)[0] for one in splits]))
    if np.isnan(value):
        raise ValueError("The statistic is undefined on one of the splits (a class is missing?).")
    names = np.concatenate([np.asarray(one.groups, dtype=str) for one in splits])
    distinct, index = np.unique(names, return_inverse=True)
    places = np.split(index, np.cumsum([len(one.groups) for one in splits])[:-1])
    draws = []
    for weights in Resampling(samples=samples, seed=seed).weights(len(distinct)):  # of the groups
        with np.errstate(invalid="ignore"):  # a draw that leaves a split without rows is undefined, and counted
            measured = [statistic(weights[:, place], *one.arrays) for place, one in zip(places, splits, strict=True)]
        draws.append(np.mean(measured, axis=0))
    low, high, undefined = percentiles(np.concatenate(draws), confidence)
    left_out = f", {undefined} undefined" if undefined else ""
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=len(names),
        method=f"bootstrap over the {len(distinct)} groups of {len(splits)} splits ({samples} resamples{left_out})",
    )
