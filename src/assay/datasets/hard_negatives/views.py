"""View: what a judge or a teacher holds of the rows of a pool, as arrays."""

from dataclasses import dataclass
from typing import Self

import numpy as np

POSITIVE, NEGATIVE, SILENT = 1, 0, -1


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """`positive` is the probability of the positive label, NaN where nothing is said; `says` is what it decided."""

    positive: np.ndarray  # (n,) in [0, 1] or NaN
    says: np.ndarray  # (n,) POSITIVE, NEGATIVE or SILENT

    @classmethod
    def silent(cls, n: int) -> Self:
        """The view of somebody who was not asked."""
        return cls(positive=np.full(n, np.nan), says=np.full(n, SILENT))

    @property
    def asked(self) -> np.ndarray:  # (n,) bool
        """Where anything is said."""
        return np.asarray(self.says != SILENT)
