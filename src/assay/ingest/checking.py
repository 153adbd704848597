"""Checking: what a file would bring, without writing anything (`assay data check`).

`check_file(criterion, path, settings)` reads the file as an import does and counts. Knows nothing of the store.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from assay.ingest.exchange.asked import Account
from assay.ingest.labelled import ImportSettings, Labelled, Problem, Reading
from assay.ingest.text import normal_form
from assay.schema.criterion import Criterion
from assay.schema.ids import digest_bytes

QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """What is in a file.

    `labels` is label source → label → labels given. `length_chars` holds quantiles of the length of the judged text.
    `duplicates` counts the examples whose judged text (folded as at the freeze) another one before it has. `acceptable`
    says whether an import would take the file. `unsourced_rows` and `undated_labels` as in `ImportResult`. `account`
    says what else another tool's file held.
    """

    rows: int
    examples: int
    unlabelled: int
    labels: Mapping[str, Mapping[str, int]]
    labellers: int
    groups: int
    duplicates: int
    length_chars: Mapping[str, int]
    malformed: int
    problems: tuple[Problem, ...]
    unknown_labels: Mapping[str, int]
    acceptable: bool
    unsourced_rows: int = 0
    undated_labels: int = 0
    account: Account | None = None


@dataclass(kw_only=True)
class _Tally:
    criterion: Criterion
    ids: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    labellers: set[str] = field(default_factory=set)
    labels: Counter[tuple[str, str]] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    unlabelled: int = 0

    def add(self, labelled: Labelled) -> None:
        """Count one row; of an example that stands there twice, only the labels again."""
        example = labelled.example
        self.labels.update((label.source, label.value) for label in labelled.labels)
        self.labellers.update(label.labeller for label in labelled.labels)
        if example.id in self.ids:
            return
        self.ids.add(example.id)
        text = example.text(self.criterion.reads)
        self.lengths.append(len(text))
        self.texts.add(digest_bytes(normal_form(text).encode()))
        self.unlabelled += not labelled.labels
        if example.group is not None:
            self.groups.add(example.group)


def check_file(criterion: Criterion, path: Path, settings: ImportSettings) -> FileCheck:
    """Read a file as an import does and count. Raises NotFoundError, InputError, IntegrityError (the file),
    ConflictError (one id, two texts).
    """
    reading = Reading(
        path=path,
        criterion=criterion,
        mapping=settings.mapping,
        format=settings.format,
    )
    tally = _Tally(criterion=criterion)
    for labelled in reading:
        tally.add(labelled)
    reading.check_complete()
    sources = sorted({source for source, _ in tally.labels})
    return FileCheck(
        rows=reading.rows,
        examples=len(tally.ids),
        unlabelled=tally.unlabelled,
        labels={
            source: {label: tally.labels[source, label] for label in criterion.labels if tally.labels[source, label]}
            for source in sources
        },
        labellers=len(tally.labellers),
        groups=len(tally.groups),
        duplicates=len(tally.ids) - len(tally.texts),
        length_chars=length_quantiles(tally.lengths),
        malformed=reading.malformed,
        problems=tuple(reading.problems),
        unknown_labels=dict(reading.unknown_labels.most_common()),
        unsourced_rows=reading.unsourced_rows,
        undated_labels=reading.undated_labels,
        acceptable=reading.malformed <= settings.max_malformed_share * reading.rows,
        account=reading.account,
    )


def length_quantiles(lengths: list[int]) -> dict[str, int]:
    """Quantiles of lengths (each one of the lengths itself); empty for none.

    >>> length_quantiles([1, 2, 3, 4, 100])
    {'p05': 1, 'p50': 3, 'p95': 100, 'max': 100}
    """
    if not lengths:
        return {}
    found = np.quantile(lengths, list(QUANTILES.values()), method="inverted_cdf")
    return {name: int(value) for name, value in zip(QUANTILES, found, strict=True)}
