"""Whether probabilities mean what they say: Brier score, expected calibration error, reliability curve.

Binary judges: `confidence` is the probability of the positive label, `correct` whether the row is positive. Several
labels: the top label's probability and whether it was right (`top_label`). The expected calibration error (ECE) of
even a perfect judge is above 0 on a finite test set; `calibration_error` therefore says beside it what a perfectly
calibrated judge would show on these rows.
"""

from dataclasses import dataclass

import numpy as np

from assay.metrics.intervals import Estimate, wilson_bounds
from assay.metrics.perfect_judge import dependence_within, perfect_ece
from assay.metrics.resampling import ROWS, Resampling, bootstrap, paired_bootstrap, weighted_mean

MAX_BINS = 10
MIN_ROWS_PER_BIN = 10


@dataclass(frozen=True, kw_only=True)
class ReliabilityPoint:
    """One bin of the reliability curve: what was said, what was seen and Wilson's interval of what was seen."""

    mean_confidence: float
    observed: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class CalibrationError:
    """ECE with its bins, and the ECE of a perfectly calibrated judge giving these probabilities on as many rows.

    `dependence` in [0, 1] says how much the outcomes of one group of rows hang together; the perfect judge is simulated
    with as much. 0 where no two rows share a group. `independent_q95` is the quantile for independent rows, whatever
    they share; None in records from before it was kept.
    """

    ece: Estimate
    perfect_mean: float
    perfect_q95: float
    curve: tuple[ReliabilityPoint, ...]
    dependence: float = 0.0
    independent_q95: float | None = None

    @property
    def within_perfect(self) -> bool:
        """True when the ECE is not above what 95 % of perfectly calibrated judges would show."""
        return self.ece.value <= self.perfect_q95


def brier(
    truth: np.ndarray,  # (n,) bool, or (n,) int codes
    probabilities: np.ndarray,  # (n,) of the positive label, or (n, k)
    resampling: Resampling = ROWS,
) -> Estimate:
    """Mean squared distance of probability and truth (Brier 1950): (p − y)² in [0, 1] for binary, summed over labels,
    in [0, 2], for (n, k).

    0.25 is what p = ½ throughout earns. Raises ValueError for no rows.

    >>> round(brier(np.array([True, False]), np.array([0.9, 0.2])).value, 4)
    0.025
    """
    return bootstrap(weighted_mean, [squared_errors(truth, probabilities)], resampling)


def brier_change(truth: np.ndarray, before: np.ndarray, after: np.ndarray, resampling: Resampling = ROWS) -> Estimate:
    """Brier(after) − Brier(before) on the same rows, with a paired interval; below 0 is better. Shapes as `brier`."""

    def mean(weights: np.ndarray, _: np.ndarray, errors: np.ndarray) -> np.ndarray:
        return weighted_mean(weights, errors)

    errors = [squared_errors(truth, probabilities) for probabilities in (after, before)]
    return paired_bootstrap(mean, np.asarray(truth), errors[0], errors[1], resampling)


def squared_errors(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:  # (n,)
    """Each row's part of the Brier score."""
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim == 1:
        return np.asarray((probabilities - np.asarray(truth, dtype=float)) ** 2)
    one_hot = np.eye(probabilities.shape[1])[np.asarray(truth, dtype=int)]
    return np.asarray(((probabilities - one_hot) ** 2).sum(axis=1))


def top_label(truth: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(confidence (n,), correct (n,) bool) of the most probable label, from codes (n,) and probabilities (n, k)."""
    chosen = probabilities.argmax(axis=1)
    return probabilities[np.arange(len(chosen)), chosen], chosen == np.asarray(truth)


def calibration_error(
    confidence: np.ndarray,  # (n,) in [0, 1]
    correct: np.ndarray,  # (n,) bool
    resampling: Resampling = ROWS,
    *,
    bins: int | None = None,
) -> CalibrationError:
    """ECE = Σ over bins of (rows in bin / n) · |share correct − mean confidence|, bins of equal mass (Naeini et al.
    2015; Nixon et al. 2019).

    Ten bins, fewer where a bin would hold under ten rows; equal probabilities share a bin, so saturated judges get
    fewer, uneven bins. The interval is wide on purpose, since a resampled ECE is biased upward as the ECE itself is:
    its upper bound is the bootstrap's, its lower bound the reflected one, or 0 where a perfectly calibrated judge
    could have shown this ECE. The perfect judge's values come from 2,000 simulated label sets drawn from these
    probabilities; where rows share a group, with the dependence that the labels of a group show about the reliability
    curve (`perfect_judge`). Raises ValueError for no rows.
    """
    confidence, hits = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if not len(confidence):
        raise ValueError("A calibration error needs at least one row; there are none.")
    members = equal_mass_bins(confidence, bins or default_bins(len(confidence)))
    measured = bootstrap(_ece, (members, hits - confidence), resampling)
    dependence, groups = 0.0, None
    if resampling.clustered(len(confidence)):
        groups = resampling.group_index(len(confidence))
        dependence = dependence_within(confidence, hits, members, groups, seed=resampling.seed)
    perfect = perfect_ece(confidence, members, groups=groups, dependence=dependence, seed=resampling.seed)
    independent = perfect_ece(confidence, members, seed=resampling.seed) if dependence else perfect
    could_be_perfect = measured.value <= np.quantile(perfect, (1 + resampling.confidence) / 2)
    reflected = float(np.clip(2 * measured.value - measured.high, 0.0, measured.value))
    ece = Estimate(
        value=measured.value,
        low=0.0 if could_be_perfect else reflected,
        high=max(measured.value, measured.high),
        n=measured.n,
        method=f"conservative {measured.method}",
    )
    return CalibrationError(
        ece=ece,
        perfect_mean=float(perfect.mean()),
        perfect_q95=float(np.quantile(perfect, 0.95)),
        curve=_curve(members, confidence, hits, resampling.confidence),
        dependence=dependence,
        independent_q95=float(np.quantile(independent, 0.95)),
    )


def default_bins(n: int) -> int:
    """Ten, or fewer so that each holds at least ten rows; at least one."""
    return int(np.clip(n // MIN_ROWS_PER_BIN, 1, MAX_BINS))


def equal_mass_bins(confidence: np.ndarray, bins: int) -> np.ndarray:  # (n,) -> (n, used bins) of 0 and 1
    """Which bin each row is in, as columns. Equal confidences never part, so that there may be fewer bins than asked
    for.

    >>> equal_mass_bins(np.array([0.1, 0.9, 0.9, 0.9]), 2).astype(int).tolist()
    [[1, 0], [0, 1], [0, 1], [0, 1]]
    """
    order = np.sort(confidence)
    first_of_value = np.searchsorted(order, confidence, side="left")
    last_of_value = np.searchsorted(order, confidence, side="right") - 1
    middle = (first_of_value + last_of_value) / 2
    index = np.floor(middle * bins / len(confidence)).astype(int)
    used, column = np.unique(index, return_inverse=True)
    return np.eye(len(used))[column]


def _ece(weights: np.ndarray, members: np.ndarray, gap: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(weights @ (members * gap[:, None])).sum(axis=1) / weights.sum(axis=1))


def _curve(members: np.ndarray, confidence: np.ndarray, hits: np.ndarray, level: float) -> tuple[ReliabilityPoint, ...]:
    counts = members.sum(axis=0)
    said, seen = confidence @ members / counts, hits @ members / counts
    low, high = wilson_bounds(seen, counts, level)
    return tuple(
        ReliabilityPoint(mean_confidence=float(a), observed=float(b), low=float(c), high=float(d), n=int(e))
        for a, b, c, d, e in zip(said, seen, low, high, counts, strict=True)
    )
