"""Spread: of many candidates a few that are hard and unlike one another."""

from collections.abc import Sequence

import numpy as np

BALANCE = 0.5  # between hardness and difference


def spread(
    hardness: np.ndarray,  # (n,) in [0, 1]
    vectors: np.ndarray,  # (n, d) of length one
    wanted: int,
    taken: np.ndarray | None = None,  # (m, d) chosen before, to differ from as well
    balance: float = BALANCE,
) -> list[int]:
    """Places of `wanted` rows, or of all, in the order of choice: each time the one with the highest
    λ·hardness − (1 − λ)·(its greatest cosine to a row taken before).

    Maximal marginal relevance (Carbonell and Goldstein 1998); n·wanted·d products. Of equal ones the first.

    >>> near_copies = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> spread(np.array([1.0, 0.9, 0.3]), near_copies, 2)
    [0, 2]
    """
    closest = np.zeros(len(hardness))
    if taken is not None and len(taken):
        closest = np.maximum(closest, (vectors @ taken.T).max(axis=1))
    free = np.ones(len(hardness), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(wanted, len(hardness))):
        worth = np.where(free, balance * hardness - (1 - balance) * closest, -np.inf)
        place = int(worth.argmax())
        chosen.append(place)
        free[place] = False
        closest = np.maximum(closest, vectors @ vectors[place])
    return chosen


def shares_of(wanted: int, available: Sequence[int]) -> list[int]:
    """`wanted` places divided evenly among groups; what one cannot fill goes to the others.

    >>> shares_of(10, [2, 100, 3]), shares_of(10, [1, 0, 2])
    ([2, 5, 3], [1, 0, 2])
    """
    shares = [0] * len(available)
    left = wanted
    order = sorted(range(len(available)), key=lambda group: available[group])
    for done, group in enumerate(order):
        even = -(-left // (len(order) - done))  # rounded up: the last ones get what is left
        shares[group] = min(available[group], even, left)
        left -= shares[group]
    return shares
