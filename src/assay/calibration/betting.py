"""Betting: a test and an upper bound for the share of wrong rows among rows of unequal weight.

Rows are drawn with known, unequal chances; weight w is the inverse of the chance. The share wrong in production is at
most `risk` exactly when E[w·(wrong − risk)] ≤ 0. To show it, bet against the opposite: a gambler who stakes λ ≥ 0 on
each row holds, after all of them, K(λ) = Π (1 − λ·w·(wrong − risk)). If the share were above the risk, E[K(λ)] ≤ 1 for
every λ ≤ 1/(w_max·(1 − risk)), and so is the mean over several λ; by Markov's inequality 1/K is then a p-value (the
betting of Waudby-Smith and Ramdas 2024, with fixed stakes, so that the order of the rows does not matter).

It needs no normal approximation and holds at every n; it asks that no production row weighs more than `max_weight`.
With equal weights and nothing wrong it comes close to the exact binomial, otherwise it is wider.
"""

import numpy as np
from scipy.special import logsumexp

_STAKES = np.concatenate([np.geomspace(0.01, 0.9, 15), [1.0]])  # shares of the largest stake
_PARTS = np.concatenate([np.full(15, 0.7 / 15), [0.3]])  # of the money; all on each row is best where nothing is wrong
_STEPS = 40  # halvings: a bound to 1e-12


def betting_p_value(
    wrong: np.ndarray,  # (n,) bool, rows of one side
    weights: np.ndarray,  # (n,) > 0
    max_weight: float,
    risk: float,
) -> float:
    """The p-value of "the weighted share of wrong rows is above `risk`"; 1 without rows.

    >>> round(betting_p_value(np.zeros(100, bool), np.ones(100), 1.0, 0.05), 4)
    0.0171
    """
    return _p_value(*_distinct(wrong, weights), max_weight, risk) if len(wrong) else 1.0


def betting_upper_bound(wrong: np.ndarray, weights: np.ndarray, max_weight: float, alpha: float) -> float:
    """The smallest risk that the test at level alpha rejects, the upper confidence bound of the share; 1 without any.

    >>> round(betting_upper_bound(np.zeros(100, bool), np.ones(100), 1.0, 0.05), 3)
    0.039
    """
    low, high = 0.0, 1.0 - 1e-9
    if not len(wrong):
        return 1.0
    kinds = _distinct(wrong, weights)
    if _p_value(*kinds, max_weight, high) > alpha:
        return 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if _p_value(*kinds, max_weight, middle) <= alpha else (middle, high)
    return high


def _distinct(wrong: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether wrong, weight, and number of each kind of row: a drawing has few kinds, and their bets are alike."""
    kinds, counts = np.unique(np.where(wrong, -weights, weights), return_counts=True)
    return kinds < 0, np.abs(kinds), counts


def _p_value(wrong: np.ndarray, weights: np.ndarray, counts: np.ndarray, max_weight: float, risk: float) -> float:
    stakes = _STAKES / (max_weight * (1 - risk))
    gains = 1 - stakes[:, None] * (weights * (wrong - risk))[None, :]
    with np.errstate(divide="ignore"):  # the largest stake may lose everything: log 0 is then −inf, as it should be
        wealth = np.log(np.maximum(gains, 0.0)) @ counts
    return float(np.exp(min(0.0, -logsumexp(wealth, b=_PARTS))))
