"""Neighbours: how near each row of a pool lies to the positive rows, by exact cosine."""

import numpy as np

CHUNK_ROWS = 1024  # of the pool at a time: with 20,000 positives 80 MB


def nearness(
    pool: np.ndarray,  # (n, d) of length one
    positives: np.ndarray,  # (m, d) of length one
    neighbours: int,
) -> tuple[np.ndarray, np.ndarray]:  # (n,) in [-1, 1], (n,) int
    """The mean cosine to the nearest positive rows (all of them where there are fewer), and the place of the nearest.

    Exact, n·m products in chunks; an index pays only from millions of rows on. Raises ValueError without a positive.

    >>> near, nearest = nearness(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.6, 0.8]]), 2)
    >>> near.tolist(), nearest.tolist()
    ([0.8, 0.4], [0, 1])
    """
    if not len(positives):
        raise ValueError("There is no positive row to be near to.")
    k = min(neighbours, len(positives))
    near, nearest = np.empty(len(pool)), np.empty(len(pool), dtype=int)
    for start in range(0, len(pool), CHUNK_ROWS):
        here = slice(start, start + CHUNK_ROWS)
        cosines = pool[here] @ positives.T
        nearest[here] = cosines.argmax(axis=1)
        near[here] = np.partition(cosines, len(positives) - k, axis=1)[:, -k:].mean(axis=1)
    return near, nearest
