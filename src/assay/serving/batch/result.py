"""Tally and BatchResult: what became of the rows of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay.schema.verdict import Decided, Failed, Verdict


@dataclass(kw_only=True)
class Tally:
    """Running counts; part of the journal, so that they cover the whole file after a resume."""

    rows: int = 0
    decided: int = 0
    abstained: int = 0
    failed: int = 0
    set_aside: int = 0
    truncated_rows: int = 0
    by_label: dict[str, int] = field(default_factory=dict)

    def add(self, verdict: Verdict) -> None:
        """Count one judged row."""
        self.rows += 1
        if isinstance(verdict, Failed):
            self.failed += 1
            return
        self.truncated_rows += verdict.truncated_tokens > 0
        if isinstance(verdict, Decided):
            self.decided += 1
            self.by_label[verdict.label] = self.by_label.get(verdict.label, 0) + 1
        else:
            self.abstained += 1

    def add_set_aside(self) -> None:
        """Count one row that could not be read or holds nothing to judge."""
        self.rows += 1
        self.set_aside += 1

    @property
    def failed_share(self) -> float:
        """Share of the rows without a judgement: set aside or Failed; 0 for no rows."""
        return (self.set_aside + self.failed) / self.rows if self.rows else 0.0


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What became of a file.

    `rows` = `decided` + `abstained` + `failed` + `set_aside`; all but the last stand in the output. `by_label` counts
    the decided ones, labels without rows included. The counts cover the whole file; `rows_per_s` covers this run, which
    found `resumed_from` rows done (0: it began at the first).
    """

    judge: str
    rows: int
    decided: int
    abstained: int
    failed: int
    set_aside: int
    truncated_rows: int
    by_label: Mapping[str, int]
    rows_per_s: float
    resumed_from: int
    output: Path | None
    rejected: Path | None
