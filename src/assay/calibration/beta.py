"""beta.v1: σ(a·log p − b·log(1 − p) + c) with a, b ≥ 0, binary only (Kull, Silva Filho and Flach 2017).

For judges whose two ends are distorted differently; with a = b it is Platt scaling. A coefficient that comes out
negative is set to 0 and the rest refitted, as the authors do, so the map stays monotone.
"""

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from assay.calibration.calibrators import Parameters, two_columns

INVERSE_RIDGE = 100.0  # keeps a and b finite where the classes are separated


def fit(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Parameters:
    """a, b and c by logistic regression; (n, 2), (n,), (n,). Raises ValueError where one label only occurs."""
    if len(np.unique(labels)) == 1:
        raise ValueError("beta.v1 needs rows of both labels.")
    features = _features(scores)
    coefficients = np.zeros(2)
    kept = np.array([True, True])
    while True:
        model = LogisticRegression(C=INVERSE_RIDGE, max_iter=1000)
        model.fit(features * kept, labels, sample_weight=weights)
        coefficients = np.where(kept, model.coef_[0], 0.0)
        if (coefficients >= 0).all():
            return {"a": float(coefficients[0]), "b": float(coefficients[1]), "c": float(model.intercept_[0])}
        kept = kept & (coefficients >= 0)


def apply(parameters: Parameters, scores: np.ndarray) -> np.ndarray:
    """σ(a·log p − b·log(1 − p) + c).

    >>> apply({"a": 1.0, "b": 1.0, "c": 0.0}, np.log([[0.2, 0.8]])).round(4).tolist()
    [[0.2, 0.8]]
    """
    return two_columns(expit(_features(scores) @ np.array([parameters["a"], parameters["b"]]) + parameters["c"]))


def _features(scores: np.ndarray) -> np.ndarray:  # (n, 2): log p and −log(1 − p)
    return np.column_stack([scores[:, 1], -scores[:, 0]])
