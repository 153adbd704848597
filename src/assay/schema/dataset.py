"""DatasetVersion: frozen rows named by digest, divided into splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.label import Label, LabelSource, Target
from assay.schema.later_fields import later_field
from assay.schema.receipt import Receipt

Split: TypeAlias = Literal["train", "dev", "calibration", "test", "production", "regression"]
SPLITS: tuple[Split, ...] = get_args(Split)
Synthetic: TypeAlias = Literal["none", "imported", "all"]  # imported: all but augmented ones
FROZEN_SPLITS: tuple[Split, ...] = SPLITS[:4]  # what a freeze makes; the last two are filled from production


@dataclass(frozen=True, kw_only=True)
class FrozenRow:
    """One example with its labels, its target and the split it is in."""

    example: Example
    labels: tuple[Label, ...]
    target: Target
    split: Split
    component: str  # rows of one group, or near-duplicates of one another, share it; it never straddles splits


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """What the freeze was told to accept instead of ≥ 100 expert-labelled test rows a class, none of them synthetic."""

    accept_labels: tuple[LabelSource, ...]
    min_test_per_class: int
    synthetic: Synthetic = later_field("none")  # which synthetic rows may stand in every split, not in train alone


@dataclass(frozen=True, kw_only=True)
class DatasetVersion:
    """The description of a frozen dataset; its rows are the blob `rows_blob` (canonical JSON, one FrozenRow a line).

    `agreement` holds the labellers' agreement as measured at the freeze (coefficient name → value, low, high, n),
    empty where no example has two labellers. `counts` is split → label → rows. `tied` counts
    the rows that no label decides: they are in no count, stand in `train` alone and teach with soft targets only.
    """

    id: str  # advice-data-3f2a91c0
    digest: str
    criterion: Criterion
    rows_blob: str
    seed: int
    counts: Mapping[str, Mapping[str, int]]
    deciding_sources: Mapping[str, Mapping[str, int]]  # split → label source → rows
    agreement: Mapping[str, Mapping[str, float]]
    settings: Mapping[str, Any]  # split shares, duplicate thresholds, filters
    dropped: Mapping[str, int]  # reason → rows left out
    waiver: Waiver | None
    created_at: str
    tied: int = later_field(0)
    receipts: tuple[Receipt, ...] = later_field(())  # of the augmented rows
    synthetic: Mapping[str, int] = later_field({})  # split → rows of source synthetic
