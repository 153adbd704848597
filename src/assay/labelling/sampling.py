"""Drawing examples with known probabilities, so that what is measured on them holds for all they were drawn from.

`inclusion_probabilities(scores, n, uniform_share)` says with what probability each example is drawn; `draw` draws
exactly so; `uniform_part` tells which of the drawn ones make up a plain uniform sample. Knows nothing of examples.
"""

from collections.abc import Sequence

import numpy as np

_ENOUGH = 1e-9


def inclusion_probabilities(
    scores: np.ndarray,  # (N,) ≥ 0, what makes an example worth labelling
    n: int,
    uniform_share: float,  # in (0, 1]
) -> np.ndarray:  # (N,) in (0, 1], summing to n
    """π_i = u·n/N + (1 − u)·n·s_i/Σs, cut at 1, what was cut off given to the others in proportion.

    The uniform share u keeps every π_i at or above u·n/N, so that no weight 1/π is above N/(u·n) (a defensive mixture:
    Hesterberg 1995). Without a positive score all are equal. Raises ValueError unless 0 < n ≤ N and 0 < u ≤ 1.

    >>> inclusion_probabilities(np.array([0.0, 0.0, 1.0, 3.0]), 2, 0.5).round(3).tolist()
    [0.333, 0.333, 0.5, 0.833]
    """
    total = len(scores)
    if not 0 < n <= total:
        raise ValueError(f"Of {total} examples {n} cannot be drawn.")
    if not 0 < uniform_share <= 1:
        raise ValueError(f"The uniform share must lie in (0, 1], not {uniform_share}.")
    if np.any(~np.isfinite(scores)) or np.any(scores < 0):
        raise ValueError("Scores must be finite and not negative.")
    whole = scores.sum()
    targeted = scores / whole if whole > 0 else np.full(total, 1 / total)
    wanted = n * (uniform_share / total + (1 - uniform_share) * targeted)
    return _cut_at_one(wanted, n)


def _cut_at_one(wanted: np.ndarray, n: int) -> np.ndarray:
    certain = np.zeros(len(wanted), dtype=bool)
    probabilities = wanted.copy()
    while np.any(over := (probabilities >= 1) & ~certain):
        certain |= over
        rest = wanted[~certain]
        probabilities[~certain] = rest * ((n - certain.sum()) / rest.sum()) if rest.size else rest
        probabilities[certain] = 1.0
    return probabilities


def draw(
    probabilities: np.ndarray,  # (N,) in [0, 1], with a whole sum n
    seed: int,
    strata: Sequence[int] | np.ndarray | None = None,  # (N,) rows of a stratum are drawn in proportion
) -> np.ndarray:  # (n,) positions in random order
    """Exactly n positions, position i with probability π_i (systematic sampling: Madow 1949).

    The rows are laid on a line in random order (strata side by side), each as long as its probability; a comb with
    teeth one apart and a random start takes the rows it hits. Raises ValueError where the probabilities have no whole
    sum.
    """
    total = float(probabilities.sum())
    if abs(total - round(total)) > _ENOUGH * max(len(probabilities), 1):
        raise ValueError(f"Probabilities must sum to a whole number, not {total}.")
    random = np.random.default_rng(seed)
    certain = np.flatnonzero(probabilities >= 1 - _ENOUGH)
    order = random.permutation(np.flatnonzero(probabilities < 1 - _ENOUGH))
    if strata is not None:
        order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    n = round(total) - len(certain)
    if n == 0:
        return random.permutation(certain)
    ends = np.cumsum(probabilities[order])
    ends *= n / ends[-1]  # rounding must not move the last tooth off the line
    teeth = random.random() + np.arange(n)
    taken = np.minimum(np.searchsorted(ends, teeth, side="right"), len(ends) - 1)
    return random.permutation(np.concatenate([certain, order[taken]]))


def uniform_part(
    inclusion: np.ndarray,  # (n,) the probabilities of the drawn rows
    pool_size: int,
    uniform_share: float,
    seed: int,
) -> np.ndarray:  # (n,) bool
    """Which of the drawn rows form a uniform sample: row i stays with probability (u·n/N)/π_i, so that each row of the
    pool is in it with the same probability u·n/N.
    """
    n = len(inclusion)
    random = np.random.default_rng(seed)
    return np.asarray(random.random(n) < (uniform_share * n / pool_size) / inclusion)


def overlapping(n: int, share: float, seed: int) -> np.ndarray:  # (n,) bool
    """Which of n items go to several labellers: `share` of them, rounded up, chosen at random."""
    chosen = np.zeros(n, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(n)[: int(np.ceil(share * n - _ENOUGH))]] = True
    return chosen
