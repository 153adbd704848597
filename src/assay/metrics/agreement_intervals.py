"""Intervals of agreement coefficients: the jackknife over items, on Fisher's scale.

A coefficient here is a function of sums over items: `statistic(sums (m, d)) -> (m,)`, where each item contributes one
row of `parts` (n, d). Leaving out each item in turn is then one subtraction, so an interval costs about as much as the
value. In simulation (docs/decisions/0013-agreement-intervals.md) 94-97.5 % of these intervals held the true value
from 30 items on; the percentile bootstrap's held it in 91-96 %. They take the labellers as given and draw only items.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import t as student

from assay.metrics.intervals import Estimate, wilson_bounds
from assay.metrics.resampling import Resampling

Statistic: TypeAlias = Callable[[np.ndarray], np.ndarray]  # sums (m, d) -> (m,)
_EDGE = 1 - 1e-9
_MIN_UNITS = 2


def jackknife(
    statistic: Statistic,
    parts: np.ndarray,  # (n, d) float
    *,
    units: int,
    lowest: float = -1.0,
    groups: Sequence[Any] | np.ndarray | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """A coefficient in [`lowest`, 1] with its interval.

    u = 2(v − lowest)/(1 − lowest) − 1 is taken to z = artanh(u), bounded at z ± t·se and taken back, with se² =
    (n − 1)/n · Σ(v₍ᵢ₎ − v̄)² by the delta method (Fisher 1915; Efron and Stein 1981) and t of n − 1 degrees. Rows of
    one group are left out together. Where leaving out changes nothing (nobody disagreed) the interval is Wilson's for
    `units` rows. Raises ValueError where the coefficient is undefined.

    >>> mean = lambda sums: sums[:, 0] / sums[:, 1]
    >>> found = jackknife(mean, np.column_stack([[1.0, 0, 1, 1] * 10, np.ones(40)]), units=40, lowest=0.0)
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.75, 0.59, 0.86)
    """
    index = Resampling(groups=groups).group_index(len(parts))
    summed = np.stack([np.bincount(index, column) for column in parts.T], axis=1)
    total, n = summed.sum(axis=0, keepdims=True), len(summed)
    value = float(statistic(total)[0])
    if not np.isfinite(value):
        raise ValueError(f"The coefficient is undefined on these {len(parts)} items (only one label was ever given?).")
    left_out = statistic(total - summed) if n >= _MIN_UNITS else np.empty(0)
    left_out = left_out[np.isfinite(left_out)]
    spread = float(np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())) if left_out.size else 0.0
    scaled = 2 * (value - lowest) / (1 - lowest) - 1
    if spread == 0 or abs(scaled) >= 1:
        low, high = _wilson(value, min(units, n), lowest, confidence)
        return Estimate(value=value, low=low, high=high, n=len(parts), method="Wilson (no item left out changes it)")
    centre = np.arctanh(np.clip(scaled, -_EDGE, _EDGE))
    slope = 2 / (1 - lowest) / (1 - scaled**2)
    reach = float(student.ppf((1 + confidence) / 2, n - 1)) * spread * slope
    low, high = (float(lowest + (1 - lowest) * (np.tanh(centre + side * reach) + 1) / 2) for side in (-1, 1))
    kind = "jackknife over groups" if n < len(parts) else "jackknife over items"
    return Estimate(value=value, low=low, high=high, n=len(parts), method=kind)


def _wilson(value: float, units: int, lowest: float, confidence: float) -> tuple[float, float]:
    low, high = wilson_bounds(min(max(value, 0.0), 1.0), max(units, 1), confidence)
    return (float(low), float(high)) if value >= 0 else (lowest, float(high))
