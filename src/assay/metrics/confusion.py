"""Measures of a confusion matrix, for one or for a thousand resamples at once.

`counts` (s, k, k) holds s matrices, rows = truth, columns = predicted. Each function returns (s,) values, NaN where
undefined. Binary matrices have the negative class first, as scikit-learn's.
"""

import numpy as np


def confusion_counts(
    weights: np.ndarray,  # (s, n)
    truth: np.ndarray,  # (n,) int in [0, k)
    predicted: np.ndarray,  # (n,) int in [0, k)
    k: int,
) -> np.ndarray:  # (s, k, k)
    """Weighted confusion matrices of s resamples.

    >>> confusion_counts(np.ones((1, 3)), np.array([0, 1, 1]), np.array([0, 1, 0]), 2)[0].astype(int).tolist()
    [[1, 0], [1, 1]]
    """
    cell = np.asarray(truth, dtype=int) * k + np.asarray(predicted, dtype=int)
    used, column = np.unique(cell, return_inverse=True)
    counts = np.zeros((len(weights), k * k))
    counts[:, used] = weights @ np.eye(len(used))[column]
    return counts.reshape(-1, k, k)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Element by element, NaN where the denominator is 0."""
    value: np.ndarray = np.divide(
        numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0
    )
    return value


def accuracy_of(counts: np.ndarray) -> np.ndarray:
    """Share on the diagonal."""
    return ratio(np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2)))


def precision_of(counts: np.ndarray, label: int = 1) -> np.ndarray:
    """TP / (TP + FP) of one label; undefined when it was never predicted."""
    return ratio(counts[:, label, label], counts[:, :, label].sum(axis=1))


def recall_of(counts: np.ndarray, label: int = 1) -> np.ndarray:
    """TP / (TP + FN) of one label; undefined when it never occurs."""
    return ratio(counts[:, label, label], counts[:, label, :].sum(axis=1))


def f1_of(counts: np.ndarray, label: int = 1) -> np.ndarray:
    """2TP / (2TP + FP + FN) of one label; undefined when it neither occurs nor is predicted."""
    return ratio(2 * counts[:, label, label], counts[:, label, :].sum(axis=1) + counts[:, :, label].sum(axis=1))


def macro_f1_of(counts: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that occur or are predicted."""
    each = np.stack([f1_of(counts, label) for label in range(counts.shape[1])])  # (k, s)
    defined = ~np.isnan(each)
    return ratio(np.where(defined, each, 0.0).sum(axis=0), defined.sum(axis=0).astype(float))


def mcc_of(counts: np.ndarray) -> np.ndarray:
    """Matthews' correlation of a binary matrix; 0 when one class only was predicted, undefined when one class only
    occurs.
    """
    (tn, fp), (fn, tp) = np.moveaxis(counts, 0, -1)
    products = (tp + fp) * (tn + fn)
    classes = (tp + fn) * (tn + fp)
    value = ratio(tp * tn - fp * fn, np.sqrt(products * classes))
    return np.where((products == 0) & (classes > 0), 0.0, value)


def kappa_of(counts: np.ndarray, *, quadratic: bool = False) -> np.ndarray:
    """Cohen's κ = 1 − observed / expected disagreement (Cohen 1960); quadratic weights (i − j)² for ordinal labels
    (Cohen 1968).

    Undefined when both sides give one and the same label throughout.
    """
    k = counts.shape[1]
    index = np.arange(k)
    distance = (index[:, None] - index) ** 2 if quadratic else 1 - np.eye(k)
    total = counts.sum(axis=(1, 2))
    expected = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
    disagreement = (counts * distance).sum(axis=(1, 2)) * total
    return 1 - ratio(disagreement, (expected * distance).sum(axis=(1, 2)))
