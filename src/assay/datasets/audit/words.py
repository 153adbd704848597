"""The words that carry the label: single words and word pairs, each alone against the label.

Of thousands of n-grams some look telling by chance, and rows of one group are not independent. So the labels are dealt
out again many times, whole groups at once, and an n-gram counts only where it beats the best of *all* n-grams in
nearly every deal (the maximum statistic of Westfall and Young 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

from assay.datasets.audit.folds import some_of
from assay.datasets.audit.shortcuts import ALARM_AUROC, ALARM_P, MIN_SIDE
from assay.datasets.audit.table import AuditTable
from assay.metrics.clustered_auroc import clustered_auroc
from assay.metrics.intervals import Estimate

MAX_NGRAMS = 20_000
VOCABULARY_ROWS = 20_000  # texts that the n-grams are taken from; all rows are then searched for them
MIN_ROWS = 10  # an n-gram must stand in so many of these
DEALS = 199
MAX_LABELS = 3
SHOWN = 15
WORD = r"(?u)\b\w+\b|[<\[#@][\w-]+"


@dataclass(frozen=True, kw_only=True)
class TellingWord:
    """An n-gram and the label it goes with. `p` is adjusted for all n-grams searched (1/200 at the least)."""

    ngram: str
    label: str
    rows: int
    share: float  # of its rows that have the label
    base: float  # of all rows that have it
    auroc: Estimate
    p: float

    @property
    def alarming(self) -> bool:
        """Whether this n-gram alone is a shortcut."""
        return self.p < ALARM_P and self.auroc.low >= ALARM_AUROC

    @property
    def harm(self) -> float:
        """2·AUROC − 1."""
        return 2 * self.auroc.value - 1


@dataclass(frozen=True, kw_only=True)
class WordSearch:
    """The n-grams that beat chance, the most telling first, and how many were searched."""

    searched: int
    words: tuple[TellingWord, ...]


def telling_words(table: AuditTable, seed: int = 0, deals: int = DEALS) -> WordSearch:
    """Search the n-grams of a table."""
    targets = table.targets(MIN_SIDE, MAX_LABELS)
    if not targets:
        return WordSearch(searched=0, words=())
    counted = _presence(table.texts, seed)
    if counted is None:
        return WordSearch(searched=0, words=())
    presence, names = counted
    order = _deals(table.group, deals, seed)
    found: list[TellingWord] = []
    for label, side in targets:
        found += _search(presence, names, label, side, order, table.group)
    found.sort(key=lambda word: (-word.auroc.value, -word.ngram.count(" "), word.ngram))
    return WordSearch(searched=len(names), words=tuple(found))


def _search(
    presence: csr_matrix, names: np.ndarray, label: str, side: np.ndarray, order: np.ndarray, group: np.ndarray
) -> list[TellingWord]:
    columns = presence.T.tocsr()
    rows = np.asarray(presence.sum(axis=0)).ravel()
    observed = _z(columns, rows, side[:, None])[:, 0]
    best = np.concatenate(
        [
            np.abs(_z(columns, rows, side[deal].T)).max(axis=0)
            for deal in np.array_split(order, max(1, len(order) // 25))
        ]
    )
    above = (best[None, :] >= np.abs(observed)[:, None]).sum(axis=1)
    p = (above + 1) / (len(best) + 1)
    base = float(side.mean())
    places = [place for place in np.argsort(-np.abs(observed)) if p[place] < ALARM_P][:SHOWN]
    words = []
    for place in places:
        has = np.asarray(presence[:, [place]].todense()).ravel() > 0
        test = clustered_auroc(side, has if observed[place] > 0 else ~has, group).auroc
        words.append(
            TellingWord(
                ngram=str(names[place]),
                label=label,
                rows=int(rows[place]),
                share=float(side[has].mean()),
                base=base,
                auroc=test,
                p=float(p[place]),
            )
        )
    return words


def _z(columns: csr_matrix, rows: np.ndarray, sides: np.ndarray) -> np.ndarray:  # (v, n), (v,), (n, d) -> (v, d)
    """How far the label's share among rows with an n-gram is from its share without, in standard errors of chance."""
    n = sides.shape[0]
    hits = np.asarray(columns @ sides.astype(np.float32))
    share = sides.mean(axis=0)[None, :]
    error = np.sqrt(share * (1 - share) * rows[:, None] * (1 - rows[:, None] / n))
    return np.asarray((hits - rows[:, None] * share) / np.maximum(error, 1e-9))


def _deals(group: np.ndarray, deals: int, seed: int) -> np.ndarray:  # (deals, n) int: whose label each row gets
    """Labels dealt out again: groups of one size exchange theirs, so that what groups share stays together."""
    members = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    sizes = sizes[sizes > 0]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    generator = np.random.default_rng(seed)
    order = np.empty((deals, len(group)), dtype=np.int32)
    for size in np.unique(sizes):
        blocks = members[starts[sizes == size][:, None] + np.arange(size)]  # (groups of this size, size)
        for deal in range(deals):
            order[deal, blocks] = blocks[generator.permutation(len(blocks))]
    return order


def _presence(texts: Sequence[str], seed: int) -> tuple[csr_matrix, np.ndarray] | None:
    """Which rows hold which n-gram; None where none is common enough."""
    sample = some_of(texts, VOCABULARY_ROWS, seed)
    counter = CountVectorizer(
        binary=True,
        ngram_range=(1, 2),
        token_pattern=WORD,
        min_df=min(MIN_ROWS, max(2, len(sample) // 50)),
        max_features=MAX_NGRAMS,
        dtype=np.float32,
    )
    try:
        counter.fit(sample)
    except ValueError:
        return None
    return counter.transform(texts), counter.get_feature_names_out()
