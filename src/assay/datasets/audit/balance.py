"""Balance: the labels' shares, overall and by slice, and what a criterion needs that the rows do not bring."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2_contingency

from assay.datasets.audit.table import AuditTable
from assay.metrics.agreement_labellers import holm
from assay.metrics.intervals import Estimate, wilson

MIN_VALUES, MAX_VALUES = 2, 12
MIN_SLICE_ROWS = 20
RARE = 0.05
ALARM_P = 0.01
ALARM_V = 0.2  # Cramér's V of an imbalance worth a finding


@dataclass(frozen=True, kw_only=True)
class SliceShare:
    """One slice and the share of one label in it."""

    key: str
    value: str
    n: int
    label: str
    share: Estimate


@dataclass(frozen=True, kw_only=True)
class SliceKey:
    """How unevenly the labels lie over the slices of a key: Cramér's V (0 even, 1 one label each), Holm's p."""

    key: str
    v: float
    p: float
    shares: tuple[SliceShare, ...]

    @property
    def alarming(self) -> bool:
        """Surely uneven, and by much."""
        return self.p < ALARM_P and self.v >= ALARM_V


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Label → rows; slices, the most uneven first."""

    labels: dict[str, int]
    rarest: Estimate  # share of the rarest label that occurs
    slices: tuple[SliceKey, ...]


def balance_of(table: AuditTable) -> Balance:
    """Measure it. Slices are `meta` keys, the source and the language of few values."""
    counts = np.bincount(table.codes, minlength=len(table.criterion.labels))
    labels = dict(zip(table.criterion.labels, counts.tolist(), strict=True))
    present = [count for count in labels.values() if count]
    keys = {key: values for key, values in {**table.meta, "source": table.source}.items() if _cuts(values)}
    measured = {key: _uneven(values, table.codes) for key, values in keys.items()}
    adjusted = holm([p for _, p in measured.values()])
    found = [
        SliceKey(key=key, v=v, p=p, shares=_shares(key, keys[key], table))
        for (key, (v, _)), p in zip(measured.items(), adjusted, strict=True)
    ]
    return Balance(
        labels=labels,
        rarest=wilson(min(present), len(table)),
        slices=tuple(sorted(found, key=lambda one: (-one.v, one.key))),
    )


def _cuts(values: list[str]) -> bool:
    counts = Counter(value for value in values if value)
    return MIN_VALUES <= len(counts) <= MAX_VALUES and sum(n >= MIN_SLICE_ROWS for n in counts.values()) >= MIN_VALUES


def _uneven(values: list[str], codes: np.ndarray) -> tuple[float, float]:
    """Cramér's V, bias-corrected (Bergsma 2013), and the p-value of χ² of slices × labels."""
    slices = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)[1]
    cells = np.zeros((slices.max() + 1, codes.max() + 1))
    np.add.at(cells, (slices, codes), 1)
    cells = cells[:, cells.sum(axis=0) > 0]
    if min(cells.shape) < MIN_VALUES:
        return 0.0, 1.0
    chi2, p = chi2_contingency(cells)[:2]
    n, (r, k) = cells.sum(), cells.shape
    phi = max(0.0, chi2 / n - (k - 1) * (r - 1) / (n - 1))
    r_fair, k_fair = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    return float(np.sqrt(phi / max(min(r_fair - 1, k_fair - 1), 1e-9))), float(p)


def _shares(key: str, values: list[str], table: AuditTable) -> tuple[SliceShare, ...]:
    positive = table.criterion.scale.positive or table.criterion.labels[int(np.bincount(table.codes).argmax())]
    has = table.codes == table.criterion.labels.index(positive)
    column = np.array(values, dtype=object)
    rows = [(value, column == value) for value in sorted({value for value in values if value})]
    return tuple(
        SliceShare(
            key=key,
            value=value,
            n=int(there.sum()),
            label=positive,
            share=wilson(int(has[there].sum()), int(there.sum())),
        )
        for value, there in rows
    )
