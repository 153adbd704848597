"""Logistic regression with slopes above 0, averaged over what few rows leave open: the common part of platt.v1 and
desaturated.v1.

    p = E[σ(Σⱼ slopeⱼ·featureⱼ + intercept)],  log slopeⱼ ~ N(meanⱼ, sd²),  intercept ~ N(0, intercept_sd²)

The expectation is over the posterior (Laplace approximation) with its covariance widened by `caution`, since the true
map is never exactly of this form; it is taken at Gauss-Hermite points, which are the stored parameters. The priors take
the place of Platt's smoothed targets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from assay.calibration.averaging import normal_nodes

_LOG_SLOPE_BOUNDS = (-8.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class SlopePrior:
    """What is believed of the slopes before any row is seen."""

    log_slope_means: tuple[float, ...]  # one a feature
    log_slope_sd: float
    intercept_sd: float
    caution: float
    nodes: int  # per slope and intercept

    @property
    def means(self) -> np.ndarray:  # (m + 1,)
        """Prior means of the log slopes, then of the intercept."""
        return np.array([*self.log_slope_means, 0.0])

    @property
    def precisions(self) -> np.ndarray:  # (m + 1,)
        """Inverse prior variances in the same order."""
        return np.array([self.log_slope_sd**-2] * len(self.log_slope_means) + [self.intercept_sd**-2])


def fit_slopes(
    features: np.ndarray,  # (n, m), each growing with the score
    labels: np.ndarray,  # (n,) of 0 and 1
    weights: np.ndarray,  # (n,) with mean 1
    prior: SlopePrior,
) -> dict[str, list[Any]]:
    """Slopes (points, m), intercepts (points,) and weights (points,) that stand for the posterior, as plain lists."""

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        slopes, centred = np.exp(x[:-1]), x - prior.means
        linear = features @ slopes + x[-1]
        residual = weights * (expit(linear) - labels)
        value = weights @ (np.logaddexp(0, linear) - labels * linear) + centred @ (prior.precisions * centred) / 2
        return float(value), np.append(residual @ features * slopes, residual.sum()) + prior.precisions * centred

    bounds = [_LOG_SLOPE_BOUNDS] * features.shape[1] + [(None, None)]
    x = minimize(loss, prior.means, jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = np.exp(x[:-1])
    p = expit(features @ slopes + x[-1])
    directions = np.column_stack([features * slopes, np.ones(len(p))])
    information = directions.T @ (directions * (weights * p * (1 - p))[:, None]) + np.diag(prior.precisions)
    points, mass = normal_nodes(x, prior.caution * np.linalg.inv(information), prior.nodes)
    return {
        "slopes": np.exp(points[:, :-1]).tolist(),
        "intercepts": points[:, -1].tolist(),
        "weights": mass.tolist(),
    }


def apply_slopes(parameters: Mapping[str, Any], features: np.ndarray) -> np.ndarray:  # (n, m) -> (n,)
    """Σ weight · σ(features · slopes + intercept).

    >>> parameters = {"slopes": [[1.0]], "intercepts": [0.0], "weights": [1.0]}
    >>> apply_slopes(parameters, np.array([[0.0]])).tolist()
    [0.5]
    """
    slopes = np.asarray(parameters["slopes"], dtype=float)  # (points, m)
    linear = features @ slopes.T + np.asarray(parameters["intercepts"])
    return np.asarray(np.clip(expit(linear) @ np.asarray(parameters["weights"]), 0.0, 1.0))
