"""Points and weights that stand for a normal distribution, to average predictions over what the data leave open.

A hundred rows fix a slope only to within ± 25 %. The most likely slope then gives probabilities that are too far out;
the average over all plausible slopes does not (MacKay 1992, "The evidence framework applied to classification
networks"). An average of monotone maps is monotone.
"""

import numpy as np
from numpy.polynomial.hermite_e import hermegauss


def normal_nodes(
    mean: np.ndarray,  # (d,)
    covariance: np.ndarray,  # (d, d)
    per_axis: int,
) -> tuple[np.ndarray, np.ndarray]:  # (per_axis**d, d), (per_axis**d,) summing to 1
    """Gauss-Hermite nodes and weights of a normal distribution.

    >>> points, weights = normal_nodes(np.array([1.0]), np.array([[4.0]]), 2)
    >>> points.ravel().tolist(), weights.tolist()
    ([-1.0, 3.0], [0.5, 0.5])
    """
    nodes, weights = hermegauss(per_axis)
    d = len(mean)
    grid = np.stack(np.meshgrid(*[nodes] * d, indexing="ij"), axis=-1).reshape(-1, d)
    mass = np.prod(np.stack(np.meshgrid(*[weights] * d, indexing="ij"), axis=-1).reshape(-1, d), axis=1)
    return mean + grid @ np.linalg.cholesky(covariance).T, mass / mass.sum()
