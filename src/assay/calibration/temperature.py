"""temperature.v1: scores divided by one number T before softmax (Guo, Pleiss, Sun and Weinberger 2017), averaged over
the plausible T.

T > 1 takes over-confidence away. It cannot move the threshold at ½ nor change the order of rows; use `platt.v1` where
the judge leans to one label. The prior log T ~ N(PRIOR_MEAN, PRIOR_SD²) says what fine-tuned networks are like,
over-confident, and keeps T off 0 where every row was judged right. Probabilities are the mean over T's posterior
(Laplace approximation), so that few rows give cautious probabilities.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from assay.calibration.averaging import normal_nodes
from assay.calibration.calibrators import Parameters

PRIOR_MEAN = 0.5  # of log T: T = 1.6
PRIOR_SD = 0.5
CAUTION = 2.0  # the posterior variance is doubled: the true map is never exactly of this form
NODES = 9
_BOUNDS = (-5.0, 8.0)  # of log T
_STEP = 1e-3  # for the second derivative in log T


def fit(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Parameters:
    """T at the maximum of Σ wᵢ·log p(yᵢ) + log prior, and the points that stand for its posterior.

    Shapes (n, k), (n,), (n,) with mean weight 1.
    """
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        log_p = log_softmax(scores * np.exp(-log_t), axis=1)[rows, labels]
        return float(-(weights @ log_p) + (log_t - PRIOR_MEAN) ** 2 / (2 * PRIOR_SD**2))

    best = float(minimize_scalar(loss, bounds=_BOUNDS, method="bounded", options={"xatol": 1e-6}).x)
    curvature = (loss(best + _STEP) - 2 * loss(best) + loss(best - _STEP)) / _STEP**2
    variance = 1 / max(curvature, 1 / PRIOR_SD**2)  # the data cannot make T less certain than the prior
    points, mass = normal_nodes(np.array([best]), np.array([[CAUTION * variance]]), NODES)
    return {
        "temperature": float(np.exp(best)),
        "temperatures": np.exp(points[:, 0]).tolist(),
        "weights": mass.tolist(),
    }


def apply(parameters: Parameters, scores: np.ndarray) -> np.ndarray:
    """Σ weight · softmax(scores / T) over the stored temperatures.

    >>> apply({"temperatures": [2.0], "weights": [1.0]}, np.log([[0.2, 0.8]])).round(4).tolist()
    [[0.3333, 0.6667]]
    """
    probabilities = np.zeros(scores.shape)
    for temperature, weight in zip(parameters["temperatures"], parameters["weights"], strict=True):
        probabilities += weight * softmax(scores / temperature, axis=1)
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))
