"""platt.v1: a slope and an intercept on the log-odds (Platt 1999), averaged over the plausible pairs of them (see
slopes).

It corrects over-confidence and a lean to one label. For k > 2 labels each has a slope and an intercept (vector scaling,
Guo et al. 2017) under the same priors, taken at their most likely values.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from assay.calibration.calibrators import BINARY, Parameters, logit, two_columns
from assay.calibration.slopes import SlopePrior, apply_slopes, fit_slopes

PRIOR = SlopePrior(log_slope_means=(-0.5,), log_slope_sd=0.5, intercept_sd=0.7, caution=2.0, nodes=5)


def fit(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Parameters:
    """Slopes and intercepts; (n, k), (n,), (n,) with mean weight 1."""
    k = scores.shape[1]
    if k == BINARY:
        return fit_slopes(logit(scores)[:, None], labels, weights, PRIOR)
    means = np.repeat([PRIOR.log_slope_means[0], 0.0], k)
    precisions = np.repeat([PRIOR.log_slope_sd**-2, PRIOR.intercept_sd**-2], k)
    one_hot = np.eye(k)[labels]

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        slopes, centred = np.exp(x[:k]), x - means
        log_p = log_softmax(scores * slopes + x[k:], axis=1)
        residual = weights[:, None] * (np.exp(log_p) - one_hot)
        value = centred @ (precisions * centred) / 2 - weights @ (log_p * one_hot).sum(axis=1)
        gradient = np.concatenate([(residual * scores).sum(axis=0) * slopes, residual.sum(axis=0)])
        return float(value), gradient + precisions * centred

    x = minimize(loss, means, jac=True, bounds=[(-8.0, 5.0)] * k + [(None, None)] * k, method="L-BFGS-B").x
    return {"label_slopes": np.exp(x[:k]).tolist(), "label_intercepts": x[k:].tolist()}


def apply(parameters: Parameters, scores: np.ndarray) -> np.ndarray:
    """The averaged σ(slope · log-odds + intercept); for k labels softmax(slopes · scores + intercepts).

    >>> apply({"slopes": [[1.0]], "intercepts": [0.0], "weights": [1.0]}, np.log([[0.2, 0.8]])).round(4).tolist()
    [[0.2, 0.8]]
    """
    if "label_slopes" not in parameters:
        return two_columns(apply_slopes(parameters, logit(scores)[:, None]))
    values = scores * np.asarray(parameters["label_slopes"]) + np.asarray(parameters["label_intercepts"])
    return np.asarray(softmax(values, axis=1))
