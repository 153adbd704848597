"""AUROC, average precision, and false positives at a fixed recall, for one or for a thousand resamples at once.

All take `weights` (s, n), `truth` (n,) of 0 and 1, `scores` (n,), and return (s,) values, NaN where a resample holds
one class only. Equal scores are one step: their order cannot change the value.
"""

import numpy as np

from assay.metrics.confusion import ratio

_ROUNDING = 1e-9  # of shares that were added up in another order


def auroc_of(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The chance that a positive row scores above a negative one, ties counting half (Mann and Whitney 1947).

    >>> auroc_of(np.ones((1, 4)), np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).tolist()
    [0.75]
    """
    positive, negative = _by_score(weights, truth, scores)
    below = np.cumsum(negative, axis=1) - negative / 2
    return ratio((positive * below).sum(axis=1), positive.sum(axis=1) * negative.sum(axis=1))


def average_precision_of(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean precision at the rank of each positive row: the area under the precision-recall steps, as scikit-learn's.

    >>> average_precision_of(np.ones((1, 4)), np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])).round(4).tolist()
    [0.8333]
    """
    positive, negative = _by_score(weights, truth, -np.asarray(scores))
    hits = np.cumsum(positive, axis=1)
    seen = hits + np.cumsum(negative, axis=1)
    precision = np.nan_to_num(ratio(hits, seen))
    total = positive.sum(axis=1)
    value = ratio((positive * precision).sum(axis=1), total)
    return np.where(negative.sum(axis=1) > 0, value, np.nan)


def fpr_at_recall_of(
    weights: np.ndarray,
    truth: np.ndarray,
    scores: np.ndarray,
    recall: np.ndarray | float,  # in [0, 1], or (s,), one for each resample
) -> np.ndarray:
    """The least false-positive rate of a threshold that finds `recall` of the positive rows.

    Between two thresholds the straight line: the rows of the step between them are called positive with some
    probability, which any point of that line can be had by (Provost and Fawcett 2001).

    >>> weights, truth, scores = np.ones((1, 4)), np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    >>> [fpr_at_recall_of(weights, truth, scores, recall).tolist() for recall in (0.5, 0.75, 1.0)]
    [[0.0], [0.5], [0.5]]
    """
    positive, negative = _by_score(weights, truth, -np.asarray(scores))
    start = np.zeros((len(weights), 1))
    found = np.hstack([start, ratio(np.cumsum(positive, axis=1), positive.sum(axis=1, keepdims=True))])
    alarms = np.hstack([start, ratio(np.cumsum(negative, axis=1), negative.sum(axis=1, keepdims=True))])
    wanted = np.broadcast_to(np.asarray(recall, dtype=float), (len(weights),))[:, None]
    reached = np.argmax(found >= wanted - _ROUNDING, axis=1)[:, None]
    before = np.maximum(reached - 1, 0)
    found_there, found_before = (np.take_along_axis(found, at, axis=1) for at in (reached, before))
    alarms_there, alarms_before = (np.take_along_axis(alarms, at, axis=1) for at in (reached, before))
    part = np.nan_to_num(ratio(wanted - found_before, found_there - found_before)).clip(0.0, 1.0)
    value = alarms_before + part * (alarms_there - alarms_before)
    defined = (positive.sum(axis=1) > 0) & (negative.sum(axis=1) > 0)
    return np.where(defined, value[:, 0], np.nan)


def alarms_at(truth: np.ndarray, scores: np.ndarray, recall: float) -> np.ndarray:  # (n,) in [0, 1]
    """With what probability each row is called positive at the threshold that finds `recall` of the positive rows: 1
    above it, 0 below, between the two at a score where only a part of the rows is needed. Their mean over the negative
    rows is `fpr_at_recall_of`.

    >>> alarms_at(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]), 0.75).tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    step = np.unique(-np.asarray(scores), return_inverse=True)[1]  # 0 is the highest score
    found = np.cumsum(np.bincount(step, weights=truth)) / truth.sum()
    reached = int(np.argmax(found >= recall - _ROUNDING))
    until = float(found[reached - 1]) if reached else 0.0
    part = float(np.clip((recall - until) / (found[reached] - until), 0.0, 1.0))
    return np.select([step < reached, step == reached], [1.0, part], 0.0)


def _by_score(weights: np.ndarray, truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight of the positive and of the negative rows at each distinct score, ascending: (s, m) and (s, m)."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(np.asarray(scores)[order], prepend=np.nan) != 0)
    ordered = weights[:, order]
    is_positive = np.asarray(truth, dtype=float)[order]
    positive = np.add.reduceat(ordered * is_positive, starts, axis=1)
    negative = np.add.reduceat(ordered * (1 - is_positive), starts, axis=1)
    return positive, negative
