"""The plug point for calibrators: functions that turn raw label scores into probabilities that mean what they say.

A calibrator is registered under a versioned name with two pure functions and no class:
`fit(scores, labels, weights) -> parameters` (plain JSON values) and `apply(parameters, scores) -> probabilities`.

    register_calibrator("temperature.v1", fit=fit, apply=apply)
    fitted = fit_calibrator("temperature.v1", scores, labels, weights)
    same = calibrator(fitted.name, fitted.parameters)   # after a round trip through JSON

Scores are log-probabilities over k labels in the order of the scale; in a binary one column 1 is what the parameters
speak of. It knows neither prior shift nor thresholds.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from assay.schema.errors import InputError, shown

Parameters: TypeAlias = Mapping[str, Any]
Fit: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray], Parameters]
Apply: TypeAlias = Callable[[Parameters, np.ndarray], np.ndarray]
BINARY = 2
_FLOOR = -1e4  # stands for the score of a label that was ruled out (-inf)


@dataclass(frozen=True, kw_only=True)
class CalibratorKind:
    """A registered way to calibrate."""

    name: str
    fit: Fit
    apply: Apply
    binary_only: bool


@dataclass(frozen=True, kw_only=True)
class Calibrator:
    """A fitted calibrator; `parameters` are plain JSON values."""

    name: str
    parameters: Parameters

    def apply(self, scores: np.ndarray) -> np.ndarray:  # (n, k) -> (n, k), rows sum to 1
        """Calibrated probabilities of log-probability scores. Raises ValueError for NaN or a wrong shape."""
        return _KINDS[self.name].apply(self.parameters, normalised(scores))


_KINDS: dict[str, CalibratorKind] = {}


def register_calibrator(name: str, *, fit: Fit, apply: Apply, binary_only: bool = False) -> None:
    """Make a calibrator known under a versioned name such as `temperature.v1`. Raises InputError where the name is
    taken.
    """
    if name in _KINDS:
        raise InputError(
            "A calibrator of this name is registered already.",
            required="a new name; a changed method gets a new version, such as .v2",
            got=shown(name),
        )
    _KINDS[name] = CalibratorKind(name=name, fit=fit, apply=apply, binary_only=binary_only)


def calibrator_names(k: int = BINARY) -> tuple[str, ...]:
    """Registered names that can calibrate k labels, in the order of registration: the simplest first among the
    built-in ones.
    """
    return tuple(kind.name for kind in _KINDS.values() if k == BINARY or not kind.binary_only)


def calibrator(name: str, parameters: Parameters) -> Calibrator:
    """A calibrator from its stored name and parameters. Raises InputError for an unknown name."""
    return Calibrator(name=_kind(name).name, parameters=dict(parameters))


def fit_calibrator(
    name: str,
    scores: np.ndarray,  # (n, k) log-probabilities
    labels: np.ndarray,  # (n,) int in [0, k)
    weights: np.ndarray | None = None,  # (n,) > 0, any scale; None: all equal
) -> Calibrator:
    """Fit a registered calibrator. Raises InputError for an unknown name, ValueError for rows that cannot carry it."""
    kind = _kind(name)
    scores = normalised(scores)
    n, k = scores.shape
    labels = np.asarray(labels, dtype=int)
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    if not n or labels.shape != (n,) or weights.shape != (n,):
        raise ValueError(f"Calibration needs as many labels and weights as rows, at least one; there are {n} rows.")
    if labels.min() < 0 or labels.max() >= k or not np.all(weights > 0):
        raise ValueError(f"Labels lie in 0 … {k - 1} and weights are positive.")
    if kind.binary_only and k != BINARY:
        raise ValueError(f"{name} calibrates two labels, not {k}.")
    return Calibrator(name=name, parameters=kind.fit(scores, labels, weights / weights.mean()))


def normalised(scores: np.ndarray) -> np.ndarray:  # (n, k) -> (n, k)
    """Scores as finite log-probabilities: log-softmax of each row, −inf raised to a floor. Raises ValueError for NaN
    or +inf.
    """
    scores = np.asarray(scores, dtype=float)
    if scores.ndim != BINARY or scores.shape[1] < BINARY:
        raise ValueError(f"Scores are (rows, labels) with two labels or more, not {scores.shape}.")
    if not (scores < np.inf).all():
        raise ValueError("Scores are log-probabilities; NaN or +inf is not one.")
    floored = np.maximum(scores, _FLOOR)
    return np.asarray(floored - np.logaddexp.reduce(floored, axis=1, keepdims=True))


def logit(scores: np.ndarray) -> np.ndarray:  # (n, 2) -> (n,)
    """Log-odds of column 1 of normalised binary scores."""
    return np.asarray(scores[:, 1] - scores[:, 0])


def two_columns(positive: np.ndarray) -> np.ndarray:  # (n,) -> (n, 2)
    """Both labels' probabilities from that of column 1."""
    return np.column_stack([1 - positive, positive])


def _kind(name: str) -> CalibratorKind:
    if name in _KINDS:
        return _KINDS[name]
    close = difflib.get_close_matches(str(name), _KINDS, n=1)
    raise InputError(
        "There is no calibrator of this name.",
        required=f"one of {list(_KINDS)}",
        got=shown(name),
        next_step=f"did you mean {close[0]!r}?" if close else "",
    )
