"""Near-duplicates: texts whose character 5-grams have a Jaccard similarity at or above a threshold.

`near_duplicate_pairs(texts, threshold)` finds candidates by MinHash and locality-sensitive hashing (Broder 1997; Indyk
and Motwani 1998) and verifies each by its exact similarity, so that no pair below the threshold is reported; of pairs
just above it about 2 in 1,000 are missed. Knows nothing of examples: takes folded texts (`normal_form`).
"""

from collections.abc import Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH
from scipy.cluster.hierarchy import DisjointSet

SHINGLE_CHARS = 5
PREFIX_CHARS = 30_000  # longer texts are compared by their beginning
DEFAULT_THRESHOLD = 0.8
_PERMUTATIONS = 128
_SEED = 1  # of the hash functions: which pairs are near does not depend on the freeze's seed
_SEARCH_BELOW = 0.1  # the index searches this far below the threshold, where it finds 0.998 of the pairs at 0.8
_ESTIMATE_MARGIN = 0.15  # over four standard deviations of the estimate from 128 permutations
_RECALL_WEIGHTS = (0.1, 0.9)  # false candidates only cost time: they are verified
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def near_duplicate_pairs(texts: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> list[tuple[int, int]]:
    """Pairs of positions, enough of them to connect all near-duplicates; which texts hang together does not depend on
    their order.

    >>> near_duplicate_pairs(["how do i reset my password", "how do i reset my password?", "where is the bank"])
    [(0, 1)]
    """
    index = MinHashLSH(
        threshold=max(threshold - _SEARCH_BELOW, _SEARCH_BELOW), num_perm=_PERMUTATIONS, weights=_RECALL_WEIGHTS
    )
    blank = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=int)
    together = DisjointSet(range(len(texts)))
    signatures: list[MinHash] = []
    pairs = []
    for position, text in enumerate(texts):
        grams = shingles(text)
        signature = blank.copy()
        signature.update_batch(grams.tolist())
        for other in sorted(index.query(signature)):
            likely = signature.jaccard(signatures[other]) >= threshold - _ESTIMATE_MARGIN
            # its 5-grams are made again rather than kept: those of all texts would be larger than the texts
            if (
                likely
                and not together.connected(position, other)
                and jaccard(grams, shingles(texts[other])) >= threshold
            ):
                together.merge(position, other)
                pairs.append((other, position))
        index.insert(position, signature)
        signatures.append(signature)
    return pairs


def shingles(text: str) -> np.ndarray:  # (m,) uint32, sorted, distinct
    """32-bit hashes of the text's character 5-grams; of a shorter text, of the whole of it."""
    codes = np.frombuffer(text[:PREFIX_CHARS].encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < SHINGLE_CHARS:
        codes = np.concatenate([codes, np.zeros(SHINGLE_CHARS - len(codes), dtype=np.uint64)])
    hashed = np.zeros(len(codes) - SHINGLE_CHARS + 1, dtype=np.uint64)
    for start in range(SHINGLE_CHARS):
        # unsigned 64-bit arithmetic wraps: a polynomial hash modulo 2**64
        hashed = (hashed + codes[start : start + len(hashed)] + np.uint64(1)) * _MULTIPLIER
    return np.unique((hashed >> np.uint64(32)).astype(np.uint32))


def jaccard(a: np.ndarray, b: np.ndarray) -> float:  # (m,), (k,) sorted, distinct
    """|A ∩ B| / |A ∪ B|.

    >>> jaccard(np.array([1, 2, 3]), np.array([2, 3, 4]))
    0.5
    """
    if min(len(a), len(b)) == 0:
        return float(len(a) == len(b))
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)
