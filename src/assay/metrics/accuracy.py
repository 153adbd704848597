"""How often a binary judge is right, each measure with its interval.

`binary_metrics(truth, predicted, probabilities, Resampling(groups=groups))` gives all of them by name. Where no two
rows share a group, proportions (and F1, which is a function of one) get Wilson's interval, the rest a bootstrap;
otherwise everything is bootstrapped by group. Two judges on the same rows: `paired_bootstrap(BINARY_STATISTICS["f1"],
truth, a, b, resampling)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assay.metrics.confusion import confusion_counts, f1_of, kappa_of, mcc_of, precision_of, ratio, recall_of
from assay.metrics.intervals import Estimate, independent_rows, wilson
from assay.metrics.ranking import auroc_of, average_precision_of
from assay.metrics.resampling import ROWS, Resampling, Statistic, bootstrap, percentiles, weighted_mean

MIN_NEGATIVES = 300  # 1 % of fewer negatives is under three rows
POSTERIOR_DRAWS = 20_000


def _counts(weights: np.ndarray, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return confusion_counts(weights, truth, predicted, 2)


BINARY_STATISTICS: Mapping[
    str, Statistic
] = {  # (weights, truth, predicted) or, for the last two, (weights, truth, scores)
    "f1": lambda weights, truth, predicted: f1_of(_counts(weights, truth, predicted)),
    "precision": lambda weights, truth, predicted: precision_of(_counts(weights, truth, predicted)),
    "recall": lambda weights, truth, predicted: recall_of(_counts(weights, truth, predicted)),
    "specificity": lambda weights, truth, predicted: recall_of(_counts(weights, truth, predicted), label=0),
    "mcc": lambda weights, truth, predicted: mcc_of(_counts(weights, truth, predicted)),
    "kappa": lambda weights, truth, predicted: kappa_of(_counts(weights, truth, predicted)),
    "auroc": auroc_of,
    "auprc": average_precision_of,
}


def binary_metrics(
    truth: np.ndarray,  # (n,) bool, True = the positive label
    predicted: np.ndarray,  # (n,) bool
    probabilities: np.ndarray,  # (n,) of the positive label; any score that ranks will do
    resampling: Resampling = ROWS,
) -> dict[str, Estimate | None]:
    """Precision, recall, specificity, F1, MCC, κ against the truth, AUROC and AUPRC (average precision).

    None stands where a measure is undefined: no AUROC with one class only, no precision when nothing was called
    positive. Raises ValueError for no rows or unequal lengths.
    """
    truth, predicted, probabilities = _same_length(truth, predicted, probabilities)
    measured: dict[str, Estimate | None] = {
        "precision": share(truth, predicted, resampling),
        "recall": share(predicted, truth, resampling),
        "specificity": share(~predicted, ~truth, resampling),
        "f1": f1(truth, predicted, resampling) if (truth | predicted).any() else None,
    }
    smaller = int(min(truth.sum(), (~truth).sum()))
    for name in ("mcc", "kappa", "auroc", "auprc"):
        second = probabilities if name.startswith("au") else predicted
        statistic = BINARY_STATISTICS[name]
        measured[name] = bootstrap(statistic, (truth, second), resampling, units=smaller) if smaller else None
    return measured


def share(hits: np.ndarray, among: np.ndarray, resampling: Resampling = ROWS) -> Estimate | None:
    """The share of hits among some of the rows, both (n,) bool; None where there are none.

    >>> share(np.array([True, False, True]), np.array([True, True, False])).value
    0.5
    """
    if not among.any():
        return None
    n = int(among.sum())
    if not resampling.clustered(len(hits)):
        return wilson(int((hits & among).sum()), n, resampling.confidence)

    def value(weights: np.ndarray, hits: np.ndarray, among: np.ndarray) -> np.ndarray:
        return ratio(weights @ (hits * among), weights @ among)

    units = len(np.unique(resampling.group_index(len(hits))[among]))
    estimate = bootstrap(value, (hits.astype(float), among.astype(float)), resampling, units=units)
    return Estimate(value=estimate.value, low=estimate.low, high=estimate.high, n=n, method=estimate.method)


def f1(truth: np.ndarray, predicted: np.ndarray, resampling: Resampling = ROWS) -> Estimate:
    """F1 = 2TP / (2TP + FP + FN) of (n,) bool arrays.

    Independent rows: F1 = 2J / (1 + J) grows with J = TP / (TP + FP + FN), a plain proportion of the rows that are
    not true negatives; Wilson's interval of J, mapped, keeps its width at F1 = 1, where a bootstrap has none. Raises
    ValueError where nothing is positive.

    >>> estimate = f1(np.array([1, 1, 0, 0], dtype=bool), np.array([1, 1, 0, 0], dtype=bool))
    >>> estimate.value, round(estimate.low, 3), estimate.high
    (1.0, 0.51, 1.0)
    """
    truth, predicted = _same_length(truth, predicted)
    either = int((truth | predicted).sum())
    if not either:
        raise ValueError("F1 is undefined: no row is positive and none was called positive.")
    if resampling.clustered(len(truth)):
        return bootstrap(BINARY_STATISTICS["f1"], (truth, predicted), resampling, units=either)
    overlap = wilson(int((truth & predicted).sum()), either, resampling.confidence)
    value, low, high = (2 * j / (1 + j) for j in (overlap.value, overlap.low, overlap.high))
    return Estimate(value=value, low=low, high=high, n=len(truth), method="Wilson, through TP/(TP+FP+FN)")


@dataclass(frozen=True, kw_only=True)
class RecallAtFpr:
    """Recall at a threshold that was to give a low false-positive rate, and the rate it really gave."""

    recall: Estimate
    realised_fpr: Estimate
    threshold: float


def recall_at_fpr(
    truth: np.ndarray,  # (n,) bool
    probabilities: np.ndarray,  # (n,) of the positive label
    threshold: float,  # chosen on `calibration`, see calibration.thresholds.low_fpr_threshold
    resampling: Resampling = ROWS,
) -> RecallAtFpr | None:
    """Recall at a given threshold. None under 300 negatives, where a 1 % rate cannot be seen, or without positives."""
    truth, probabilities = _same_length(truth, probabilities)
    if (~truth).sum() < MIN_NEGATIVES:
        return None
    called = probabilities >= threshold
    recall = share(called, truth, resampling)
    realised = share(called, ~truth, resampling)
    if recall is None or realised is None:
        return None
    return RecallAtFpr(recall=recall, realised_fpr=realised, threshold=threshold)


def expected_precision(
    sensitivity: Estimate, specificity: Estimate, base_rate: float, *, seed: int = 0, confidence: float = 0.95
) -> Estimate:
    """Precision to expect in production: π·TPR / (π·TPR + (1−π)·FPR), with π the share of positives there.

    The interval takes π as given and draws TPR and FPR from their Jeffreys posteriors, Beta(x + ½, m − x + ½) (Brown,
    Cai and DasGupta 2001). Where a rate came from clustered rows, m is the number of independent rows with as wide an
    interval. A test set's own precision does not answer this question: at π = 1 % a judge of precision 0.95 on
    balanced rows has about 0.16.

    Raises ValueError for a base rate outside (0, 1), or where both rates say that nothing is called positive.

    >>> estimate = expected_precision(wilson(95, 100), wilson(95, 100), base_rate=0.01)
    >>> round(estimate.value, 3), round(estimate.low, 2), round(estimate.high, 2)
    (0.161, 0.08, 0.33)
    """
    if not 0 < base_rate < 1:
        raise ValueError(f"The base rate lies between 0 and 1, exclusive, not {base_rate!r}.")
    false_alarms = (1 - base_rate) * (1 - specificity.value)
    called = base_rate * sensitivity.value + false_alarms
    if called == 0:
        raise ValueError("Precision is undefined: at these rates nothing is called positive.")
    random = np.random.default_rng(seed)
    tpr, tnr = (_posterior(rate, confidence, random) for rate in (sensitivity, specificity))
    draws = base_rate * tpr / (base_rate * tpr + (1 - base_rate) * (1 - tnr))
    low, high, _ = percentiles(draws, confidence)
    value = base_rate * sensitivity.value / called
    # A rate of exactly 1 (no false alarm seen) puts the plain value above every draw.
    bounds = {"low": min(low, value), "high": max(high, value)}
    n = sensitivity.n + specificity.n
    return Estimate(value=value, n=n, method=f"Jeffreys posterior ({POSTERIOR_DRAWS} draws)", **bounds)


def _posterior(rate: Estimate, confidence: float, random: np.random.Generator) -> np.ndarray:
    m = independent_rows(rate, confidence)
    return random.beta(rate.value * m + 0.5, (1 - rate.value) * m + 0.5, size=POSTERIOR_DRAWS)


def accuracy(truth: np.ndarray, predicted: np.ndarray, resampling: Resampling = ROWS) -> Estimate:
    """The share of rows with truth = predicted, both (n,). Raises ValueError for no rows."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    right = truth == predicted
    if not resampling.clustered(len(right)):
        return wilson(int(right.sum()), len(right), resampling.confidence)
    return bootstrap(weighted_mean, [right.astype(float)], resampling, units=len(right))


def _same_length(truth: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays, all but floating-point ones as bool. Raises ValueError for no rows or unequal lengths."""
    arrays = [np.asarray(array) for array in (truth, *others)]
    lengths = [len(array) for array in arrays]
    if lengths[0] < 1:
        raise ValueError("A measure needs at least one row; there are none.")
    if len(set(lengths)) > 1:
        raise ValueError(f"Arrays of one length are compared, not of {lengths}.")
    return tuple(array if array.dtype.kind == "f" else array.astype(bool) for array in arrays)
