"""AuditTable: the rows of a dataset as the audit reads them, column by column.

Built from a frozen dataset or from the labelled examples of a criterion that are not frozen yet. Texts are kept up to
`MAX_CHARS`, so that memory is bounded by the number of rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from assay.datasets.consensus import target_of
from assay.schema.criterion import Criterion
from assay.schema.dataset import FrozenRow
from assay.schema.example import Example, field_text
from assay.schema.label import Label, LabelSource

MAX_CHARS = 5_000  # of a text; what a judge of 512 tokens reads is shorter
MAX_META_CHARS = 80


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditTable:
    """n rows with a target each. `codes` are places on the scale; `group` rows of one group, or near-duplicates that a
    freeze tied together; `split` "" where the rows are in none.
    """

    criterion: Criterion
    ids: list[str]
    texts: list[str]
    codes: np.ndarray  # (n,) int
    group: np.ndarray  # (n,) int
    named_groups: int  # rows that named a group
    split: list[str]
    decided_by: list[LabelSource]
    source: list[str]
    turns: np.ndarray  # (n,) int
    longer: np.ndarray  # (n,) characters that output_a has more than output_b; 0 where there is no pair
    meta: dict[str, list[str]]  # key → value by row, "" where it has none
    blank: dict[str, int]  # field that the criterion reads → rows where it is empty
    undecided: int  # rows without a target: tied labels
    frozen: bool = False

    @classmethod
    def of_frozen(cls, rows: Sequence[FrozenRow], criterion: Criterion) -> Self:
        """From the rows of a frozen dataset."""
        parts = [
            (row.example, row.target.value, row.target.source, row.split, row.component)
            for row in rows
            if row.target.decided
        ]
        return cls._build(parts, criterion, undecided=len(rows) - len(parts), frozen=True)

    @classmethod
    def of_labelled(cls, labelled: Iterable[tuple[Example, Sequence[Label]]], criterion: Criterion) -> Self:
        """From labelled examples; splits are those that the rows brought in `meta.split`, if they did."""
        parts, undecided = [], 0
        for example, labels in labelled:
            target = target_of(labels)
            if target is None:
                undecided += 1
                continue
            group = example.group or f"\x1f{example.id}"
            parts.append((example, target.value, target.source, str(example.meta.get("split") or ""), group))
        return cls._build(parts, criterion, undecided=undecided, frozen=False)

    @classmethod
    def _build(
        cls,
        parts: Iterable[tuple[Example, str, LabelSource, str, str]],
        criterion: Criterion,
        *,
        undecided: int,
        frozen: bool,
    ) -> Self:
        code = {label: place for place, label in enumerate(criterion.labels)}
        groups: dict[str, int] = {}
        rows: list[tuple[str, str, int, int, str, LabelSource, str, int, int]] = []
        meta: dict[str, list[str]] = {}
        blank: dict[str, int] = dict.fromkeys(map(str, criterion.reads), 0)
        named = 0
        for number, (example, value, decided_by, split, group) in enumerate(parts):
            number_of_group = groups.setdefault(group, len(groups))
            named += example.group is not None
            text = example.text(criterion.reads)[:MAX_CHARS]
            longer = len(field_text(example.output_a)) - len(field_text(example.output_b))
            where = (code[value], number_of_group, split, decided_by, example.source)
            rows.append((example.id, text, *where, len(example.turns), longer))
            for name in criterion.reads:
                blank[name] += not field_text(getattr(example, name)).strip()
            for key, found in example.meta.items():
                if isinstance(found, str | int) and key != "split":
                    column = meta.setdefault(key, [])
                    column.extend([""] * (number - len(column)))
                    column.append(str(found)[:MAX_META_CHARS])
        for column in meta.values():
            column.extend([""] * (len(rows) - len(column)))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 9
        return cls(
            criterion=criterion,
            ids=list(columns[0]),
            texts=list(columns[1]),
            codes=np.array(columns[2], dtype=int),
            group=np.array(columns[3], dtype=int),
            named_groups=named,
            split=list(columns[4]),
            decided_by=list(columns[5]),
            source=list(columns[6]),
            turns=np.array(columns[7], dtype=int),
            longer=np.array(columns[8], dtype=float),
            meta=meta,
            blank=blank,
            undecided=undecided,
            frozen=frozen,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def targets(self, least: int, most: int) -> list[tuple[str, np.ndarray]]:
        """What shortcuts are measured against: the positive label of a binary scale, else each label (at most `most` of
        the commonest) against the rest; only labels with `least` rows on either side.
        """
        positive = self.criterion.scale.positive
        labels = self.criterion.labels if positive is None else (positive,)
        sides = [(label, self.codes == self.criterion.labels.index(label)) for label in labels]
        fit = [(label, side) for label, side in sides if min(side.sum(), (~side).sum()) >= least]
        return sorted(fit, key=lambda one: -int(one[1].sum()))[:most]
