"""isotonic.v1: the best non-decreasing step function of the score (Zadrozny and Elkan 2002), binary only.

It can take any monotone shape, so it wants about a thousand rows; below that it memorises. Between its knots it is
interpolated. Its ends are kept 1 / (n + 2) away from 0 and 1: n rows cannot show that an event never happens.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression

from assay.calibration.calibrators import Parameters, logit, two_columns


def fit(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Parameters:
    """Knots (log-odds) and values (probabilities), both ascending; (n, 2), (n,), (n,)."""
    margin = 1 / (len(labels) + 2)
    model = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
    model.fit(logit(scores), labels, sample_weight=weights)
    return {"knots": model.X_thresholds_.tolist(), "values": model.y_thresholds_.tolist()}


def apply(parameters: Parameters, scores: np.ndarray) -> np.ndarray:
    """The values at the scores, linear between knots and constant beyond them.

    >>> apply({"knots": [-1.0, 1.0], "values": [0.1, 0.9]}, np.log([[0.5, 0.5]])).tolist()
    [[0.5, 0.5]]
    """
    return two_columns(np.interp(logit(scores), parameters["knots"], parameters["values"]))
