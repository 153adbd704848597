"""Estimate: a number with its interval; and the two exact-enough intervals of a proportion.

`wilson(95, 100)` → 0.95 between 0.888 and 0.978. Every measure in Assay returns an `Estimate`. Intervals here take
rows as independent; rows that share a group need `resampling.bootstrap`.
"""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A measured value with the interval that holds the true one at the stated confidence (95 % by default).

    `n` counts the rows behind it; `method` says how the interval was made, for people to read.
    """

    value: float
    low: float
    high: float
    n: int
    method: str

    def to_dict(self) -> dict[str, float | int | str]:
        """The estimate as plain JSON values."""
        return asdict(self)


def wilson_bounds(
    share: np.ndarray | float,  # (…,) in [0, 1]
    n: np.ndarray | float,  # (…,) > 0
    confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:  # (…,), (…,)
    """Wilson's score interval, element by element; `n` need not be whole.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n), with z the normal quantile of the confidence (Wilson 1927).

    >>> [np.round(bound, 4).tolist() for bound in wilson_bounds(np.array([0.0, 0.5]), 10)]
    [[0.0, 0.2366], [0.2775, 0.7634]]
    """
    z2 = norm.ppf((1 + confidence) / 2) ** 2
    share = np.asarray(share, dtype=float)
    centre = share + z2 / (2 * n)
    reach = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))
    scale = 1 + z2 / n
    return np.clip((centre - reach) / scale, 0.0, 1.0), np.clip((centre + reach) / scale, 0.0, 1.0)


def wilson(successes: float, n: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval. Raises ValueError where there are no rows.

    >>> estimate = wilson(95, 100)
    >>> round(estimate.low, 4), round(estimate.high, 4)
    (0.8882, 0.9785)
    """
    check_counts(successes, n)
    low, high = wilson_bounds(successes / n, n, confidence)
    return Estimate(value=successes / n, low=float(low), high=float(high), n=n, method="Wilson")


def clopper_pearson(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """A proportion with the exact binomial interval (Clopper and Pearson 1934); never too narrow, often too wide.

    >>> round(clopper_pearson(0, 100).high, 4)
    0.0362
    """
    check_counts(successes, n)
    interval = binomtest(successes, n).proportion_ci(confidence, method="exact")
    return Estimate(
        value=successes / n, low=float(interval.low), high=float(interval.high), n=n, method="Clopper-Pearson"
    )


def independent_rows(estimate: Estimate, confidence: float = 0.95) -> float:
    """How many independent rows would give a proportion an interval as wide: n for Wilson's, fewer where rows were
    clustered.

    >>> round(independent_rows(wilson(90, 100)), 3)
    100.0
    """

    def excess(log_n: float) -> float:
        low, high = wilson_bounds(estimate.value, float(np.exp(log_n)), confidence)
        return float(high - low) - (estimate.high - estimate.low)

    largest = float(np.log(estimate.n))
    if excess(largest) >= 0:
        return float(estimate.n)
    smallest = -5.0  # a hundredth of a row: Wilson's interval is then all of [0, 1]
    return float(np.exp(brentq(excess, smallest, largest))) if excess(smallest) > 0 else float(np.exp(smallest))


def check_counts(successes: float, n: int) -> None:
    """Raises ValueError unless 0 ≤ successes ≤ n and n ≥ 1."""
    if n < 1:
        raise ValueError("A proportion needs at least one row; there are none.")
    if not 0 <= successes <= n:
        raise ValueError(f"Successes must lie between 0 and n = {n}, not {successes}.")
