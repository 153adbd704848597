"""Near-duplicates: texts whose character 5-grams have a Jaccard similarity at or above a threshold.

`near_duplicate_pairs(texts, threshold)` and `nearly_among(texts, others, threshold)` find candidates by MinHash and
locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998) and verify each by its exact similarity, so that no
pair below the threshold is reported; of pairs just above it about 2 in 1,000 are missed. They take about 1 KB of memory
a text (docs/decisions/0021). `NearTexts` is the same search where texts come one by one. Knows nothing of examples:
takes folded texts (`normal_form`).
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from datasketch import MinHash, MinHashLSH

SHINGLE_CHARS = 5
PREFIX_CHARS = 30_000  # longer texts are compared by their beginning
DEFAULT_THRESHOLD = 0.8
_PERMUTATIONS = 128
_SEED = 1  # of the hash functions: which pairs are near does not depend on the freeze's seed
_SEARCH_BELOW = 0.1  # the index searches this far below the threshold, where it finds 0.998 of the pairs at 0.8
_ESTIMATE_MARGIN = 0.15  # over four standard deviations of the estimate from 128 permutations
_RECALL_WEIGHTS = (0.1, 0.9)  # false candidates only cost time: they are verified
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_KEPT_SHINGLES = 512  # texts whose 5-grams are at hand; those of all would be larger than the texts
_AT_ONCE = 64  # signatures compared at once
_BLANK = MinHash(num_perm=_PERMUTATIONS, seed=_SEED, hashfunc=int)  # the signature of nothing


def near_duplicate_pairs(texts: Sequence[str], threshold: float = DEFAULT_THRESHOLD) -> list[tuple[int, int]]:
    """Pairs of positions, enough of them to connect all near-duplicates; which texts hang together does not depend on
    their order.

    >>> near_duplicate_pairs(["how do i reset my password", "how do i reset my password?", "where is the bank"])
    [(0, 1)]
    """
    search = _Search(texts, threshold)
    clusters = _Clusters(len(texts))
    pairs = []
    for position, others in search.shared_bands():
        apart = clusters.apart(position, others)
        while (near := search.first_near(position, apart)) is not None:
            clusters.merge(position, near)
            pairs.append((near, position))
            apart = clusters.apart(position, apart)
    return pairs


def nearly_among(
    texts: Sequence[str], others: Sequence[str], threshold: float = DEFAULT_THRESHOLD
) -> np.ndarray:  # (n,) bool
    """Which texts are near-duplicates of one of the others.

    >>> nearly_among(["where is the bank", "how do i reset my password?"], ["how do i reset my password"]).tolist()
    [False, True]
    """
    search = _Search([*others, *texts], threshold)
    near = np.zeros(len(texts), dtype=bool)
    for position, earlier in search.shared_bands():
        place = position - len(others)
        if place >= 0 and not near[place]:
            near[place] = search.first_near(position, earlier[earlier < len(others)]) is not None
    return near


class NearTexts:
    """Texts that come one by one, and which of them are near-duplicates of another."""

    def __init__(self, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._index = _index(threshold)
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Remember a text, at the next position."""
        self._index.insert(len(self._texts), _signature(text))
        self._texts.append(text)

    def near(self, text: str) -> list[int]:
        """The positions of the near-duplicates of a text, in order."""
        grams = shingles(text)
        found = sorted(self._index.query(_signature(text)))
        return [place for place in found if jaccard(grams, shingles(self._texts[place])) >= self._threshold]


class _Search:
    """Which texts may be near one another, and whether two are."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._signatures = _signatures(texts)
        self._threshold = threshold
        self._grams_of = lru_cache(maxsize=_KEPT_SHINGLES)(lambda position: shingles(texts[position]))
        self._compared_with = np.full(len(texts), -1)

    def shared_bands(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each position with the earlier ones that agree with it in a whole band of the signature, band by band."""
        order, first, place = _bands(self._signatures, self._threshold)
        for position in np.flatnonzero((place > first).any(axis=0)).tolist():
            for band in np.flatnonzero(place[:, position] > first[:, position]):
                yield position, order[band, first[band, position] : place[band, position]]

    def first_near(self, position: int, others: np.ndarray) -> int | None:
        """The first of the others that is a near-duplicate of a position; None where none is. Others that were compared
        with this position before are left out.
        """
        fresh = others[self._compared_with[others] != position]
        for start in range(0, len(fresh), _AT_ONCE):
            some = fresh[start : start + _AT_ONCE]
            alike = (self._signatures[some] == self._signatures[position]).mean(axis=1)
            for place in np.flatnonzero(alike >= self._threshold - _ESTIMATE_MARGIN):
                if jaccard(self._grams_of(position), self._grams_of(int(some[place]))) >= self._threshold:
                    self._compared_with[some[: place + 1]] = position
                    return int(some[place])
            self._compared_with[some] = position
        return None


class _Clusters:
    """Which positions hang together so far."""

    def __init__(self, size: int) -> None:
        self._cluster = np.arange(size)
        self._members: dict[int, list[int]] = {}

    def apart(self, position: int, others: np.ndarray) -> np.ndarray:
        """Those of the others that do not hang together with a position."""
        return np.asarray(others[self._cluster[others] != self._cluster[position]])

    def merge(self, a: int, b: int) -> None:
        """Tie two positions; the smaller cluster takes the name of the larger."""
        one, two = int(self._cluster[a]), int(self._cluster[b])
        small, large = sorted((self._members.pop(one, [one]), self._members.pop(two, [two])), key=len)
        name = int(self._cluster[large[0]])
        self._cluster[small] = name
        large.extend(small)
        self._members[name] = large


def _signatures(texts: Sequence[str]) -> np.ndarray:  # (n, permutations)
    table = np.empty((len(texts), _PERMUTATIONS), dtype=_BLANK.hashvalues.dtype)
    for position, text in enumerate(texts):
        table[position] = _signature(text).hashvalues
    return table


def _signature(text: str) -> MinHash:
    signature = _BLANK.copy()
    signature.update_batch(shingles(text).tolist())
    return signature


def _index(threshold: float) -> MinHashLSH:
    return MinHashLSH(
        threshold=max(threshold - _SEARCH_BELOW, _SEARCH_BELOW), num_perm=_PERMUTATIONS, weights=_RECALL_WEIGHTS
    )


def _bands(signatures: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # 3 x (bands, n)
    """For each band: the positions sorted by their rows of it; where in that order a position's equals begin, and where
    it stands itself. Equal rows stand in the order of their positions.
    """
    n = len(signatures)
    index = _index(threshold)
    order, first, place = (np.zeros((index.b, n), dtype=np.int32) for _ in range(3))
    for band, (start, end) in enumerate(index.hashranges):
        key = np.zeros(n, dtype=np.uint64)
        for column in range(start, end):  # a polynomial hash; texts that share it by chance are told apart later
            key = (key + signatures[:, column] + np.uint64(1)) * _MULTIPLIER
        order[band] = np.argsort(key, kind="stable")
        ordered = key[order[band]]
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[:n])
        sizes = np.diff(np.append(begins, n))
        first[band, order[band]] = np.repeat(begins, sizes)
        place[band, order[band]] = np.arange(n)
    return order, first, place


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
