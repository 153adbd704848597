"""Where the probability of the positive label becomes a decision.

`choose_threshold(probabilities, positives, weights, parse_policy("max-f1"))` on calibration rows, after the prior
shift, each row weighted by `prior_shift.importance_weights`. A row is called positive when its probability ≥ the
threshold. Thresholds lie midway between neighbouring probabilities, so that no row of the choice sits on one. Never
choose on test rows.

max-f1 is not the threshold with the best F1 on the calibration rows: the best of a hundred noisy values is mostly luck.
For calibrated probabilities the best threshold is half of the best F1 (Lipton, Elkan and Naryanaswamy 2014), and F1
itself is known far better than where it peaks. In simulations (eight kinds of judges, F1 .75-.99, desaturated.v1 fitted
on the same n rows, 80 draws each, 4,000 test rows) the mean test F1 was

| threshold for max-f1 | n = 100 | n = 200 |
|---|---|---|
| best on the rows (argmax) | .9137 | .9166 |
| the same, median of bootstrap resamples | .9148 | .9174 |
| best expected F1 by the probabilities | .9192 | .9203 |
| kernel-smoothed F1 | .9195 | .9205 |
| half of the best F1 (taken) | .9197 | .9205 |

Costs are likewise met by the probabilities (Elkan 2001), not by counting.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.calibration.policies import Policy
from assay.metrics.confusion import ratio
from assay.schema.errors import RefusedError

_SLACK = 1e-9  # rounding in sums of weights must not make 0.95 miss >= 0.95


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A chosen threshold and what it achieved on the weighted calibration rows; None where a measure is undefined."""

    value: float
    policy: Policy
    precision: float | None
    recall: float | None
    f1: float | None
    fpr: float | None


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """Every useful threshold (m,) ascending, with the measures it gives."""

    values: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    fpr: np.ndarray


def choose_threshold(
    probabilities: np.ndarray,  # (n,) of the positive label, at the production rate
    positives: np.ndarray,  # (n,) bool
    weights: np.ndarray | None,  # (n,) > 0, see prior_shift.importance_weights; None: all equal
    policy: Policy,
) -> Threshold:
    """The threshold a policy asks for.

    max-f1 and cost read the calibrated probabilities (see the module's study); the others count the labelled rows.
    Raises ValueError for no rows, RefusedError where one class only is there or the policy cannot be met, with the best
    that can.
    """
    probabilities, positives = np.asarray(probabilities, dtype=float), np.asarray(positives, dtype=bool)
    weights = np.ones(len(positives)) if weights is None else np.asarray(weights, dtype=float)
    if not len(positives) or not len(positives) == len(probabilities) == len(weights):
        raise ValueError(f"A threshold is chosen on one or more rows of equal number, not {len(positives)}.")
    if policy.kind == "fixed":
        return _described(float(policy.bound or 0.0), policy, probabilities, positives, weights)
    if positives.all() or not positives.any():
        raise RefusedError(
            "A threshold cannot be chosen from one class only.",
            required="calibration rows of both labels",
            got=f"{int(positives.sum())} positive of {len(positives)}",
        )
    value = _CHOICES[policy.kind](probabilities, positives, weights, policy)
    return _described(value, policy, probabilities, positives, weights)


def low_fpr_threshold(
    probabilities: np.ndarray,  # (n,)
    positives: np.ndarray,  # (n,) bool
    fpr: float = 0.01,
) -> float | None:
    """The lowest threshold whose false-positive rate among the negatives is at most `fpr`; None without negatives.

    Class weights do not move it: the rate is within one class. With under 1 / fpr negatives it lies above the highest
    of them.

    >>> low_fpr_threshold(np.array([0.1, 0.2, 0.3, 0.9]), np.array([False, False, False, True]))
    0.6
    """
    negatives = np.sort(np.asarray(probabilities, dtype=float)[~np.asarray(positives, dtype=bool)])
    if not len(negatives):
        return None
    allowed = int(np.floor(fpr * len(negatives) + _SLACK))
    ceiling = negatives[-1 - allowed] if allowed < len(negatives) else -np.inf
    above = np.asarray(probabilities, dtype=float)
    above = above[above > ceiling]
    return float((max(ceiling, 0.0) + (above.min() if len(above) else 1.0)) / 2)


def _described(
    value: float, policy: Policy, probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray
) -> Threshold:
    at = _measured(np.array([value]), probabilities, positives, weights)

    def number(values: np.ndarray) -> float | None:
        return None if np.isnan(values[0]) else float(values[0])

    return Threshold(
        value=value,
        policy=policy,
        precision=number(at.precision),
        recall=number(at.recall),
        f1=number(at.f1),
        fpr=number(at.fpr),
    )


def _candidates(probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray) -> _Candidates:
    distinct = np.unique(probabilities)
    values = np.append(distinct[0] / 2, (distinct[1:] + distinct[:-1]) / 2)
    return _measured(values, probabilities, positives, weights)


def _measured(values: np.ndarray, probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray) -> _Candidates:
    tp = _weight_above(values, probabilities, weights * positives)
    fp = _weight_above(values, probabilities, weights * ~positives)
    positive, negative = float(weights[positives].sum()), float(weights[~positives].sum())
    return _Candidates(
        values=values,
        precision=ratio(tp, tp + fp),
        recall=ratio(tp, np.full_like(tp, positive)),
        f1=ratio(2 * tp, tp + fp + positive),
        fpr=ratio(fp, np.full_like(fp, negative)),
    )


def _weight_above(values: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weight of the rows with probability ≥ each value: (m,)."""
    order = np.argsort(probabilities, kind="stable")
    above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    return np.asarray(above[np.searchsorted(probabilities[order], values, side="left")])


def _for_f1(probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray, _: Policy) -> float:
    """Half of the best F1, moved to the middle of the gap between probabilities in which it lies."""
    at = _candidates(probabilities, positives, weights)
    gap = int(np.searchsorted(np.unique(probabilities), at.f1.max() / 2, side="left"))
    return float(at.values[min(gap, len(at.values) - 1)])


def _for_cost(_: np.ndarray, __: np.ndarray, ___: np.ndarray, policy: Policy) -> float:
    """Calling a row positive costs (1 − p)·fp, calling it negative p·fn: equal at fp / (fp + fn) (Elkan 2001)."""
    return policy.cost_fp / (policy.cost_fp + policy.cost_fn)


def _for_precision(probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray, policy: Policy) -> float:
    at = _candidates(probabilities, positives, weights)
    reached = (at.precision >= _bound(policy) - _SLACK) & (at.recall > 0)
    if not reached.any():
        best = int(np.nanargmax(at.precision))
        raise _infeasible(policy, f"precision {at.precision[best]:.3f}, at recall {at.recall[best]:.3f}")
    return _best(at, reached, at.recall)


def _for_recall(probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray, policy: Policy) -> float:
    at = _candidates(probabilities, positives, weights)
    return _best(at, at.recall >= _bound(policy) - _SLACK, at.precision)


def _for_fpr(probabilities: np.ndarray, positives: np.ndarray, weights: np.ndarray, policy: Policy) -> float:
    at = _candidates(probabilities, positives, weights)
    reached = (at.fpr <= _bound(policy) + _SLACK) & (at.recall > 0)
    if not reached.any():
        finding = at.recall > 0
        best = int(np.flatnonzero(finding)[at.fpr[finding].argmin()])
        raise _infeasible(policy, f"false-positive rate {at.fpr[best]:.3f}, at recall {at.recall[best]:.3f}")
    return _best(at, reached, at.recall)


def _best(at: _Candidates, among: np.ndarray, measure: np.ndarray) -> float:
    """The threshold with the highest measure among some; of equal ones the highest threshold, which calls the fewest
    positive.
    """
    values = np.where(among, measure, -np.inf)
    return float(at.values[np.flatnonzero(values >= values.max() - _SLACK)[-1]])


def _bound(policy: Policy) -> float:
    if policy.bound is None:
        raise ValueError(f"The policy {policy.kind!r} needs a bound.")
    return policy.bound


def _infeasible(policy: Policy, best: str) -> RefusedError:
    return RefusedError(
        f"No threshold meets the policy {policy} on the calibration rows.",
        required=str(policy),
        got=f"at best {best}",
        next_step="ask for less, or train a better judge",
    )


_CHOICES: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray, Policy], float]] = {
    "max-f1": _for_f1,
    "precision": _for_precision,
    "recall": _for_recall,
    "fpr": _for_fpr,
    "cost": _for_cost,
}
