"""desaturated.v1: Platt scaling on the log-odds and on how near they are to their ceiling; binary only.

A small encoder fine-tuned to the end pushes nearly every score to ± 4 or 5. What it still knows lies in the last tenth
before that ceiling: between log-odds 4.0 and 4.9 the share of positives rises from 0.8 to 0.99, between −2 and 2 hardly
at all (measured on a toxicity judge). No slope fits both. So a second feature is added, with s the sign and M the
ceiling on that side:

    p = E[σ(a·z − b·s·log((1 + δ − |z|/M) / (1 + δ)) + c)],  δ = 0.02,  a, b > 0

averaged over the posterior of a, b and c (see slopes). With b → 0 it is platt.v1, with scores that do not saturate it
behaves like it.
"""

import numpy as np

from assay.calibration.calibrators import Parameters, logit, two_columns
from assay.calibration.slopes import SlopePrior, apply_slopes, fit_slopes

PRIOR = SlopePrior(log_slope_means=(-1.5, -0.7), log_slope_sd=0.5, intercept_sd=0.7, caution=3.0, nodes=3)
DELTA = 0.02
CEILING_QUANTILE = 0.98  # of |log-odds| on one side; the largest alone would be one row's whim
MIN_ROWS_PER_SIDE = 5
_SMALLEST_CEILING = 1e-3


def fit(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Parameters:
    """Ceilings and averaged slopes; (n, 2), (n,), (n,) with mean weight 1."""
    z = logit(scores)
    ceilings = {"ceiling_below": _ceiling(-z), "ceiling_above": _ceiling(z)}
    return {**ceilings, **fit_slopes(_features(z, ceilings), labels, weights, PRIOR)}


def apply(parameters: Parameters, scores: np.ndarray) -> np.ndarray:
    """The averaged probabilities; beyond a ceiling only the log-odds go on counting.

    >>> ceilings = {"ceiling_below": 4.0, "ceiling_above": 4.0}
    >>> one_point = {"slopes": [[1.0, 0.0]], "intercepts": [0.0], "weights": [1.0]}
    >>> apply({**ceilings, **one_point}, np.log([[0.2, 0.8]])).round(4).tolist()
    [[0.2, 0.8]]
    """
    return two_columns(apply_slopes(parameters, _features(logit(scores), parameters)))


def _ceiling(towards: np.ndarray) -> float:
    """The ceiling on the side where `towards` (n,) is above 0, or of all rows where that side has too few."""
    side = towards[towards > 0]
    known = side if len(side) >= MIN_ROWS_PER_SIDE else np.abs(towards)
    return max(float(np.quantile(known, CEILING_QUANTILE)), _SMALLEST_CEILING)


def _features(z: np.ndarray, ceilings: Parameters) -> np.ndarray:  # (n,) -> (n, 2)
    nearness = np.clip(np.abs(z) / np.where(z > 0, ceilings["ceiling_above"], ceilings["ceiling_below"]), 0.0, 1.0)
    return np.column_stack([z, -np.sign(z) * np.log((1 + DELTA - nearness) / (1 + DELTA))])
