"""Parts: what the checks measured, before it is put into words."""

from dataclasses import dataclass, field

from assay.datasets.audit.balance import Balance
from assay.datasets.audit.copies import Copies
from assay.datasets.audit.noise import LabelNoise
from assay.datasets.audit.shortcuts import Alone
from assay.datasets.audit.words import WordSearch
from assay.metrics.intervals import Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """One field a check. `model`: label → AUROC of all features together; `agreement`: coefficient → estimate;
    `personal`: kind of personal data → ids of rows that hold it, None where it was not looked for.
    """

    alone: tuple[Alone, ...]
    model: dict[str, Estimate]
    words: WordSearch
    copies: Copies
    noise: LabelNoise | None
    balance: Balance
    agreement: dict[str, Estimate] = field(default_factory=dict)
    personal: dict[str, tuple[str, ...]] | None = None
