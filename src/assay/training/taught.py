"""Taught: the rows that a training learns from, and the shares of the labels that each of them teaches.

With hard targets a row teaches its consensus, and a row whose labels are tied teaches nothing. With soft targets it
teaches what its labellers said, and ties that the freeze kept take part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.datasets.frozen_rows import rows_of, tied_rows_of
from assay.datasets.soft_targets import hard_targets, soft_targets, uncertain
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.errors import RefusedError
from assay.training.settings import Targets


@dataclass(frozen=True, kw_only=True, eq=False)
class Taught:
    """n rows and their targets."""

    rows: list[FrozenRow]
    shares: np.ndarray  # (n, k), rows sum to 1


def taught(rows: Sequence[FrozenRow], criterion: Criterion, targets: Targets) -> Taught:
    """What is learnt from the rows of a dataset. Raises RefusedError where soft targets would be the hard ones."""
    decided = rows_of(rows, "train")
    if targets == "hard":
        return Taught(rows=decided, shares=hard_targets(decided, criterion))
    kept = [*decided, *tied_rows_of(rows)]
    shares = soft_targets(kept, criterion)
    if not uncertain(shares).any():
        raise RefusedError(
            "Soft targets would be the hard ones: the labellers of no training row differ.",
            required="training rows that several people labelled, with different answers on some",
            got=f"{len(kept):,} training rows with one answer each",
            next_step="leave --targets out, or have a share labelled twice: "
            f"assay data next --criterion {criterion.name} --pool labelled --budget {max(1, len(kept) // 5)}",
        )
    return Taught(rows=kept, shares=shares)
