"""Answers: who gave which label to which item, as arrays; what agreement by labeller and Dawid-Skene work on.

`Answers.of([{"ann": "yes", "bob": "no"}, …], labels)`. Memory grows with the number of answers, not with items ×
labellers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """m answers to n items. Codes count from 0; `labellers` names theirs, sorted."""

    item: np.ndarray  # (m,) int
    labeller: np.ndarray  # (m,) int
    label: np.ndarray  # (m,) int
    items: int
    labellers: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, ratings: Sequence[Mapping[str, str]], labels: Sequence[str]) -> Self:
        """From one mapping (labeller → label) an item. Raises KeyError for a label that is not in `labels`."""
        labellers = tuple(sorted({name for item in ratings for name in item}))
        who = {name: code for code, name in enumerate(labellers)}
        what = {label: code for code, label in enumerate(labels)}
        rows = [(i, who[name], what[label]) for i, item in enumerate(ratings) for name, label in item.items()]
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        return cls(
            item=table[:, 0],
            labeller=table[:, 1],
            label=table[:, 2],
            items=len(ratings),
            labellers=labellers,
            labels=tuple(labels),
        )

    def counts(self) -> np.ndarray:  # (n, k) int
        """How many labellers gave each label to each item."""
        k = len(self.labels)
        return np.bincount(self.item * k + self.label, minlength=self.items * k).reshape(self.items, k)
