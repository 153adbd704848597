"""From the rate of labels a calibrator was fitted on to the rate in production.

`shift(probabilities, fitted, production)` where the production rate is declared; `estimate_base_rates(probabilities,
fitted)` where it must be read off unlabelled traffic. Both assume that only the share of the labels changes, not what a
label's examples look like (prior probability shift). Where the inputs themselves drift, both are wrong and monitoring
has to say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.metrics.intervals import Estimate
from assay.metrics.resampling import Resampling, percentiles
from assay.schema.errors import RefusedError

MAX_STEPS = 2000
TOLERANCE = 1e-6  # of a rate, between two EM steps
_LEAST_SPREAD = 1e-3  # standard deviation of probabilities under which they carry no news of the rate
_TRAFFIC = Resampling(samples=200)


@dataclass(frozen=True, kw_only=True)
class BaseRates:
    """The estimated production share of each label, in the order of the scale, and the EM steps that it took."""

    rates: tuple[Estimate, ...]
    steps: int


def shift(
    probabilities: np.ndarray,  # (n, k), rows sum to 1
    fitted: Sequence[float] | np.ndarray,  # (k,) weighted share of each label where the calibrator was fitted
    production: Sequence[float] | np.ndarray,  # (k,) share of each label in production
) -> np.ndarray:  # (n, k), rows sum to 1
    """Probabilities at another base rate: p′ ∝ p · production / fitted (Saerens, Latinne and Decaestecker 2002, eq.
    2.4).

    For two labels: odds × [π/(1−π)]·[(1−π₀)/π₀]. The order of rows in a binary judge does not change. Raises ValueError
    unless both rates are positive and sum to 1.

    >>> shift(np.array([[0.5, 0.5]]), [0.5, 0.5], [0.9, 0.1]).round(4).tolist()
    [[0.9, 0.1]]
    """
    ratio = rate_ratio(fitted, production)
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != ratio.ndim + 1 or probabilities.shape[1] != len(ratio):
        raise ValueError(f"Probabilities of shape {probabilities.shape} do not match {len(ratio)} rates.")
    return reweighted(probabilities, ratio)


def rate_ratio(fitted: Sequence[float] | np.ndarray, production: Sequence[float] | np.ndarray) -> np.ndarray:  # (k,)
    """The ratio production / fitted of each label. Raises ValueError unless both are positive and sum to 1."""
    return np.asarray(_rates(production, "production") / _rates(fitted, "fitted"))


def reweighted(probabilities: np.ndarray, ratio: np.ndarray) -> np.ndarray:  # (n, k), (k,) -> (n, k), rows sum to 1
    """`shift` by a ratio that is known already: a judge works it out once, not for every text."""
    moved = probabilities * ratio
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))


def importance_weights(
    labels: np.ndarray,  # (n,) int
    fitted: Sequence[float] | np.ndarray,  # (k,)
    production: Sequence[float] | np.ndarray,  # (k,)
) -> np.ndarray:  # (n,)
    """What each labelled row counts for at the production rate: production / fitted of its label.

    >>> importance_weights(np.array([0, 1]), [0.5, 0.5], [0.9, 0.1]).tolist()
    [1.8, 0.2]
    """
    ratio = rate_ratio(fitted, production)
    return np.asarray(ratio[np.asarray(labels, dtype=int)])


def label_rates(labels: np.ndarray, k: int, weights: np.ndarray | None = None) -> np.ndarray:  # (k,)
    """Weighted share of each label: the `fitted` rate of a calibrator. Raises ValueError for no rows."""
    if not len(labels):
        raise ValueError("The share of a label needs at least one row; there are none.")
    counts = np.bincount(np.asarray(labels, dtype=int), weights=weights, minlength=k)
    return np.asarray(counts / counts.sum())


def estimate_base_rates(
    probabilities: np.ndarray,  # (n, k) calibrated at the fitted rate, on unlabelled production traffic
    fitted: Sequence[float] | np.ndarray,  # (k,)
    resampling: Resampling = _TRAFFIC,
) -> BaseRates:
    """The share of each label in production, by EM (Saerens, Latinne and Decaestecker 2002): the rate whose shifted
    probabilities average to it.

    The interval draws the traffic again (groups whole) and takes the calibrator as given; a miscalibrated judge biases
    the rate beyond it. Raises ValueError for no rows or bad rates, RefusedError where the answer would be invented:
    probabilities that hardly vary, a rate that runs to 0, or no convergence.
    """
    start = _rates(fitted, "fitted")
    probabilities = np.asarray(probabilities, dtype=float)
    n = len(probabilities)
    if probabilities.std(axis=0).max() < _LEAST_SPREAD if n else False:
        raise RefusedError(
            "The base rate cannot be estimated: the judge gives every row nearly the same probability.",
            next_step="declare base_rate in the criterion",
        )
    draws, steps = [], 0
    for weights in (np.ones((1, n)), *resampling.weights(n)):
        rates, taken = _expectation_maximisation(probabilities, start, weights)
        draws.append(rates)
        steps = max(steps, taken)
    value, resampled = draws[0][0], np.concatenate(draws[1:])
    _refuse_invented(value, steps, n)
    bounds = [percentiles(resampled[:, j], resampling.confidence) for j in range(len(start))]
    method = f"EM, bootstrap ({resampling.samples} resamples)"
    estimates = tuple(
        Estimate(value=float(value[j]), low=low, high=high, n=n, method=method)
        for j, (low, high, _) in enumerate(bounds)
    )
    return BaseRates(rates=estimates, steps=steps)


def _expectation_maximisation(
    probabilities: np.ndarray,  # (n, k)
    start: np.ndarray,  # (k,)
    weights: np.ndarray,  # (s, n)
) -> tuple[np.ndarray, int]:  # (s, k), steps
    rates = np.tile(start, (len(weights), 1))
    total = weights.sum(axis=1, keepdims=True)
    for step in range(1, MAX_STEPS + 1):
        ratio = rates / start
        moved = ratio * ((weights / (ratio @ probabilities.T)) @ probabilities) / total
        change = np.abs(moved - rates).max()
        rates = moved
        if change < TOLERANCE:
            return rates, step
    return rates, MAX_STEPS


def _refuse_invented(value: np.ndarray, steps: int, n: int) -> None:
    if value.min() < 1 / (2 * n):
        raise RefusedError(
            "The base rate cannot be estimated: the most likely share of a label is 0.",
            required="traffic in which every label occurs",
            got=f"{n} rows, shares {[round(float(rate), 4) for rate in value]}",
            next_step="declare base_rate in the criterion, or estimate on more traffic",
        )
    if steps >= MAX_STEPS:
        raise RefusedError(
            f"The base rate cannot be estimated: EM did not settle in {MAX_STEPS} steps.",
            next_step="declare base_rate in the criterion; the judge separates the labels too little",
        )


def _rates(values: Sequence[float] | np.ndarray, name: str) -> np.ndarray:
    rates = np.asarray(values, dtype=float)
    if rates.ndim != 1 or not (rates > 0).all() or not np.isclose(rates.sum(), 1.0, atol=1e-6):
        raise ValueError(f"The {name} rates are positive shares that sum to 1, not {np.round(rates, 6).tolist()}.")
    return rates
