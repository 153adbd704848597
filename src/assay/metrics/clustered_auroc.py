"""AUROC of one score with an interval that allows for rows that come in groups, at the cost of one sort.

Where thousands of scores are looked at (an audit), a bootstrap of each is too dear; this is the closed form.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from assay.metrics.intervals import Estimate


@dataclass(frozen=True, kw_only=True)
class AurocTest:
    """An AUROC with its 95 % interval, and the two-sided p-value of its being 0.5."""

    auroc: Estimate
    p: float


def clustered_auroc(
    truth: np.ndarray,  # (n,) bool
    scores: np.ndarray,  # (n,)
    groups: np.ndarray | None = None,  # (n,) int
) -> AurocTest:
    """AUROC from placement values, variance over groups (DeLong et al. 1988; Obuchowski 1997).

    Each group's influence φ is the sum of (Vᵢ − A)/n₁ over its positive rows and of (Vⱼ − A)/n₀ over its negative ones,
    V the share of the other class that a row beats (ties half); var A = K/(K − 1) Σ φ² over K groups. Raises ValueError
    where a class is missing.

    >>> found = clustered_auroc(np.array([0, 0, 1, 1, 0, 1], bool), np.array([1.0, 2, 3, 4, 3, 5]))
    >>> round(found.auroc.value, 3)
    0.944
    """
    truth = np.asarray(truth, dtype=bool)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        raise ValueError("AUROC needs rows of both classes.")
    ranks = rankdata(scores)
    placed = np.empty(len(truth))
    placed[truth] = (ranks[truth] - rankdata(scores[truth])) / negatives
    placed[~truth] = 1 - (ranks[~truth] - rankdata(scores[~truth])) / positives
    value = float(placed[truth].mean())
    influence = (placed - value) / np.where(truth, positives, negatives)
    index = np.arange(len(truth)) if groups is None else groups
    summed = np.bincount(index, influence)
    clusters = len(np.unique(index))
    variance = float((summed**2).sum()) * clusters / max(clusters - 1, 1)
    if variance <= 0:  # perfect separation: as wide as chance would be
        variance = (positives + negatives + 1) / (12 * positives * negatives)
    error = float(np.sqrt(variance))
    reach = float(norm.ppf(0.975)) * error
    estimate = Estimate(
        value=value,
        low=max(0.0, value - reach),
        high=min(1.0, value + reach),
        n=len(truth),
        method="placement values over groups" if clusters < len(truth) else "placement values",
    )
    return AurocTest(auroc=estimate, p=float(2 * norm.sf(abs(value - 0.5) / error)))
