"""How often a judge with several labels (categorical or ordinal) is right.

Labels are codes 0 … k−1 in the order of the scale; `multiclass_metrics(truth, predicted, labels, ordinal=True)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.metrics.accuracy import accuracy, f1, share
from assay.metrics.confusion import confusion_counts, kappa_of, macro_f1_of
from assay.metrics.intervals import Estimate
from assay.metrics.resampling import ROWS, Resampling, Statistic, bootstrap, weighted_mean


@dataclass(frozen=True, kw_only=True)
class MulticlassMetrics:
    """Measures over several labels. None stands where one is undefined on these rows.

    `per_label` is label → precision, recall, f1. `confusion` (k, k) counts rows, truth down and predicted across.
    `weighted_kappa` (quadratic) and `mean_absolute_error` (in levels) are None unless the scale is ordinal.
    """

    accuracy: Estimate
    macro_f1: Estimate
    kappa: Estimate | None
    per_label: Mapping[str, Mapping[str, Estimate | None]]
    confusion: tuple[tuple[int, ...], ...]
    weighted_kappa: Estimate | None
    mean_absolute_error: Estimate | None


def multiclass_metrics(
    truth: np.ndarray,  # (n,) int in [0, k)
    predicted: np.ndarray,  # (n,) int in [0, k)
    labels: Sequence[str],  # (k,)
    *,
    ordinal: bool = False,
    resampling: Resampling = ROWS,
) -> MulticlassMetrics:
    """All measures of a judge with k labels. Raises ValueError for no rows, unequal lengths or a code outside the
    labels.
    """
    truth, predicted = _codes(truth, predicted, len(labels))
    n, k = len(truth), len(labels)
    one_answer = len(np.unique(np.concatenate([truth, predicted]))) == 1
    units = max(1, n - int(np.bincount(truth).max()))

    def kappa(*, quadratic: bool) -> Estimate | None:
        if one_answer:
            return None
        return bootstrap(
            lambda weights, a, b: kappa_of(confusion_counts(weights, a, b, k), quadratic=quadratic),
            (truth, predicted),
            resampling,
            units=units,
        )

    distance = np.abs(truth - predicted).astype(float)
    counts = confusion_counts(np.ones((1, n)), truth, predicted, k)[0].astype(int)
    return MulticlassMetrics(
        accuracy=accuracy(truth, predicted, resampling),
        macro_f1=bootstrap(macro_f1_statistic(k), (truth, predicted), resampling, units=units),
        kappa=kappa(quadratic=False),
        per_label={label: _one_label(truth == i, predicted == i, resampling) for i, label in enumerate(labels)},
        confusion=tuple(tuple(row) for row in counts.tolist()),
        weighted_kappa=kappa(quadratic=True) if ordinal else None,
        mean_absolute_error=bootstrap(weighted_mean, [distance], resampling) if ordinal else None,
    )


def macro_f1_statistic(k: int) -> Statistic:
    """Macro-F1 over k labels as a statistic of (weights, truth codes, predicted codes), for `paired_bootstrap`."""
    return lambda weights, truth, predicted: macro_f1_of(confusion_counts(weights, truth, predicted, k))


def _one_label(truth: np.ndarray, predicted: np.ndarray, resampling: Resampling) -> dict[str, Estimate | None]:
    return {
        "precision": share(truth, predicted, resampling),
        "recall": share(predicted, truth, resampling),
        "f1": f1(truth, predicted, resampling) if (truth | predicted).any() else None,
    }


def _codes(truth: np.ndarray, predicted: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    sides = (np.asarray(truth, dtype=int), np.asarray(predicted, dtype=int))
    if not len(sides[0]) or len(sides[0]) != len(sides[1]):
        lengths = f"{len(sides[0])} and {len(sides[1])}"
        raise ValueError(f"Truth and prediction are of one length, at least 1, not {lengths}.")
    if any(side.min() < 0 or side.max() >= k for side in sides):
        raise ValueError(f"Label codes lie in 0 … {k - 1}.")
    return sides
