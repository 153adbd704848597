"""Bootstrap intervals: how a statistic moves when the rows, or whole groups of rows, are drawn again.

A statistic here is a function `statistic(weights, *arrays)` where `weights` (s, n) says how often each of the n rows
occurs in each of s resamples and each array has n rows; it returns (s,) values, NaN where a resample leaves it
undefined (one class only). So a thousand resamples cost a few matrix products. The plain value is the statistic at
weights of one.

The percentile interval is first-order accurate: under about 30 groups it is too narrow, and it has no width when the
statistic sits at a bound in every resample; `units` covers that case.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from assay.metrics.intervals import Estimate, wilson_bounds

Statistic: TypeAlias = Callable[..., np.ndarray]  # (weights (s, n), *arrays (n, …)) -> (s,)
_MAX_CELLS = 1 << 22  # resamples × rows held at once: 32 MB of weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampling:
    """How to draw again. `groups` (n,) names the group of each row; groups are then drawn whole. None: every row is
    its own.
    """

    groups: Sequence[Any] | np.ndarray | None = None
    samples: int = 1000
    seed: int = 0
    confidence: float = 0.95

    def group_index(self, n: int) -> np.ndarray:  # (n,) int
        """The group of each row as 0, 1, …. Raises ValueError where the groups are not n."""
        if n < 1:
            raise ValueError("An interval needs at least one row; there are none.")
        if self.groups is None:
            return np.arange(n)
        if len(self.groups) != n:
            raise ValueError(f"There are {len(self.groups)} groups for {n} rows; each row needs one.")
        return np.unique(np.asarray(self.groups, dtype=str), return_inverse=True)[1]

    def clustered(self, n: int) -> bool:
        """True when any two of the n rows share a group."""
        return bool(self.group_index(n).max() + 1 < n)

    def weights(self, n: int) -> Iterator[np.ndarray]:  # of (s, n) float
        """All resamples as row multiplicities, in pieces; the same n, groups and seed give the same ones."""
        index = self.group_index(n)
        groups = int(index.max()) + 1
        random = np.random.default_rng(self.seed)
        piece = max(1, _MAX_CELLS // n)
        for start in range(0, self.samples, piece):
            rows = min(piece, self.samples - start)
            drawn = random.integers(0, groups, size=(rows, groups)) + np.arange(rows)[:, None] * groups
            counts = np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
            yield counts[:, index].astype(float)


ROWS = Resampling()


def bootstrap(
    statistic: Statistic, arrays: Sequence[np.ndarray], resampling: Resampling = ROWS, *, units: int | None = None
) -> Estimate:
    """A statistic of arrays (n, …) with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    `units`: for statistics in [0, 1] that may sit at a bound in every resample (F1 = 1.00): the interval is then
    Wilson's for that many units, or for the number of groups if that is smaller. Raises ValueError where the rows are
    none, or leave the statistic undefined.

    >>> mean = lambda weights, x: weights @ x / weights.sum(axis=1)
    >>> estimate = bootstrap(mean, [np.array([0.0, 0.0, 1.0, 1.0])], Resampling(samples=200))
    >>> estimate.value, estimate.low, estimate.high
    (0.5, 0.0, 1.0)
    """
    n = len(arrays[0])
    groups = int(resampling.group_index(n).max()) + 1
    value = float(statistic(np.ones((1, n)), *arrays)[0])
    if np.isnan(value):
        raise ValueError(f"The statistic is undefined on these {n} rows (a class is missing?).")
    draws = np.concatenate([statistic(weights, *arrays) for weights in resampling.weights(n)])
    low, high, undefined = percentiles(draws, resampling.confidence)
    kind = "clustered bootstrap" if groups < n else "bootstrap"
    if units is not None and low == high and 0 <= value <= 1:
        bounds = wilson_bounds(value, min(units, groups), resampling.confidence)
        return Estimate(
            value=value, low=float(bounds[0]), high=float(bounds[1]), n=n, method=f"Wilson (the {kind} has no width)"
        )
    return Estimate(value=value, low=low, high=high, n=n, method=_method(kind, resampling.samples, undefined))


def paired_bootstrap(
    statistic: Statistic, truth: np.ndarray, a: np.ndarray, b: np.ndarray, resampling: Resampling = ROWS
) -> Estimate:
    """statistic(truth, a) − statistic(truth, b) with an interval from the same resamples of both.

    truth, a and b are (n, …). Raises ValueError as `bootstrap`.
    """

    def difference(weights: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
        return statistic(weights, arrays[0], arrays[1]) - statistic(weights, arrays[0], arrays[2])

    estimate = bootstrap(difference, (truth, a, b), resampling)
    return Estimate(
        value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n, method=f"paired {estimate.method}"
    )


def percentiles(draws: np.ndarray, confidence: float) -> tuple[float, float, int]:
    """The middle `confidence` of draws (s,), and how many were undefined (NaN) and left out. Raises ValueError when
    all were.
    """
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        raise ValueError("The statistic is undefined in every resample (a class has too few groups?).")
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high), len(draws) - len(defined)


def _method(kind: str, samples: int, undefined: int) -> str:
    left_out = f", {undefined} undefined" if undefined else ""
    return f"{kind} ({samples} resamples{left_out})"


def weighted_mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:  # (s, n), (n,) -> (s,)
    """The mean of values in each resample: the statistic behind accuracy, Brier and mean absolute error."""
    return np.asarray(weights @ values / weights.sum(axis=1))
