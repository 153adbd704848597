"""Copies: the same or nearly the same text more than once, with different labels, or on both sides of a split.

Exact duplicates are equal after folding (`normal_form`); near-duplicates share 80 % of their character 5-grams.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import DisjointSet

from assay.datasets.audit.table import AuditTable
from assay.datasets.near_duplicates import near_duplicate_pairs
from assay.ingest.text import normal_form
from assay.metrics.intervals import Estimate, wilson

TEST_SPLITS = ("test", "calibration", "dev", "valid", "validation", "val")
SIMILAR = 0.8


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Counts of rows. `leaked`: of the rows outside `train` the share with a copy in `train`, None without splits;
    `leaked_ids` and `contradicting` hold ids, the latter by text.
    """

    exact_rows: int  # rows that repeat an earlier one
    near_rows: int  # further rows that nearly repeat an earlier one
    contradicting: tuple[tuple[str, ...], ...]
    leaked: Estimate | None
    leaked_ids: tuple[str, ...]
    straddling_groups: int


def copies_in(table: AuditTable, similar: float = SIMILAR, on_rows: Callable[[int], None] | None = None) -> Copies:
    """Find them. Near-duplicates are searched among the distinct texts."""
    rows_of: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(table.texts):
        rows_of[normal_form(text)].append(row)
    texts = sorted(rows_of)
    if on_rows is not None:
        on_rows(0)
    pairs = near_duplicate_pairs(texts, similar)
    cluster = _clusters(len(texts), pairs)
    row_cluster = np.empty(len(table), dtype=int)
    for place, text in enumerate(texts):
        row_cluster[rows_of[text]] = cluster[place]
    leaked, leaked_ids = _leaks(table, row_cluster)
    contradicting = tuple(
        tuple(table.ids[row] for row in rows)
        for text, rows in rows_of.items()
        if text and len({int(table.codes[row]) for row in rows}) > 1
    )
    return Copies(
        exact_rows=len(table) - len(texts),
        near_rows=len(texts) - len(set(cluster.tolist())),
        contradicting=contradicting,
        leaked=leaked,
        leaked_ids=leaked_ids,
        straddling_groups=_straddling(table),
    )


def _clusters(n: int, pairs: list[tuple[int, int]]) -> np.ndarray:  # (n,) int
    together = DisjointSet(range(n))
    for a, b in pairs:
        together.merge(a, b)
    return np.array([together[place] for place in range(n)], dtype=int)


def _leaks(table: AuditTable, cluster: np.ndarray) -> tuple[Estimate | None, tuple[str, ...]]:
    in_train = np.array([split == "train" for split in table.split], dtype=bool)
    held = np.array([split.lower() in TEST_SPLITS for split in table.split], dtype=bool)
    if not in_train.any() or not held.any():
        return None, ()
    taught = set(cluster[in_train].tolist())
    leaks = [row for row in np.flatnonzero(held) if int(cluster[row]) in taught]
    return wilson(len(leaks), int(held.sum())), tuple(table.ids[row] for row in leaks)


def _straddling(table: AuditTable) -> int:
    splits: defaultdict[int, set[str]] = defaultdict(set)
    for group, split in zip(table.group.tolist(), table.split, strict=True):
        if split:
            splits[group].add(split)
    return sum(len(found) > 1 for found in splits.values())
