"""Curves for the judge card: precision against recall, and risk against coverage. At most 200 points, for drawing."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve as sklearn_precision_recall_curve

from assay.metrics.confusion import ratio
from assay.metrics.intervals import Estimate, wilson_bounds
from assay.metrics.resampling import ROWS, Resampling, bootstrap

MAX_POINTS = 200


@dataclass(frozen=True, kw_only=True)
class PrecisionRecallPoint:
    """Precision and recall when rows at or above `threshold` are called positive."""

    threshold: float
    precision: float
    recall: float


@dataclass(frozen=True, kw_only=True)
class RiskPoint:
    """The share wrong among the `coverage` most confident rows, with Wilson's interval. `confidence` is the least
    among them.
    """

    coverage: float
    risk: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True, kw_only=True)
class RiskCoverage:
    """Risk against coverage and the area under it: the mean risk over all coverages (Geifman and El-Yaniv 2017);
    lower is better.
    """

    points: tuple[RiskPoint, ...]
    area: Estimate


def precision_recall_curve(truth: np.ndarray, probabilities: np.ndarray) -> tuple[PrecisionRecallPoint, ...]:
    """Points by ascending threshold from truth (n,) bool and probabilities (n,). Raises ValueError without a positive
    row.
    """
    if not np.any(truth):
        raise ValueError("A precision-recall curve needs a positive row; there are none.")
    precision, recall, thresholds = sklearn_precision_recall_curve(truth, probabilities)
    return tuple(
        PrecisionRecallPoint(threshold=float(thresholds[i]), precision=float(precision[i]), recall=float(recall[i]))
        for i in _thin(len(thresholds))
    )


def risk_coverage(
    confidence: np.ndarray,  # (n,): probability of the decided label
    correct: np.ndarray,  # (n,) bool
    resampling: Resampling = ROWS,
) -> RiskCoverage:
    """How often the judge is wrong when it answers only where it is most confident. Rows of equal confidence are
    answered together.

    Raises ValueError for no rows.

    >>> result = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    >>> [(point.coverage, round(point.risk, 3)) for point in result.points]
    [(0.25, 0.0), (0.5, 0.0), (0.75, 0.333), (1.0, 0.25)]
    """
    confidence, wrong = np.asarray(confidence, dtype=float), ~np.asarray(correct, dtype=bool)
    n = len(confidence)
    area = bootstrap(_area, (confidence, wrong.astype(float)), resampling, units=n)
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.diff(confidence[order], append=np.nan) != 0)
    risk = np.cumsum(wrong[order])[ends] / (ends + 1)
    low, high = wilson_bounds(risk, ends + 1.0, resampling.confidence)
    points = tuple(
        RiskPoint(
            coverage=float((ends[i] + 1) / n),
            risk=float(risk[i]),
            low=float(low[i]),
            high=float(high[i]),
            confidence=float(confidence[order][ends[i]]),
        )
        for i in _thin(len(ends))
    )
    return RiskCoverage(points=points, area=area)


def _area(weights: np.ndarray, confidence: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.diff(confidence[order], prepend=np.nan) != 0)
    answered = np.add.reduceat(weights[:, order], starts, axis=1)
    errors = np.add.reduceat(weights[:, order] * wrong[order], starts, axis=1)
    risk = np.nan_to_num(ratio(np.cumsum(errors, axis=1), np.cumsum(answered, axis=1)))
    return np.asarray((answered * risk).sum(axis=1) / answered.sum(axis=1))


def _thin(n: int) -> list[int]:
    """At most MAX_POINTS indices out of n, evenly spread, the first and the last among them."""
    return [int(i) for i in np.unique(np.linspace(0, n - 1, min(n, MAX_POINTS)).round())]
