"""Audit: every check on a table, and the findings in the order of the harm they do.

    found = audit(AuditTable.of_frozen(rows, criterion), AuditSettings(embed=embed))
    found.findings[0].title, found.findings[0].command

Time grows with the number of rows (benchmarks/truth.py); embeddings are the dearest part where they are asked for.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from assay.datasets.audit.balance import balance_of
from assay.datasets.audit.copies import SIMILAR, copies_in
from assay.datasets.audit.features import features_of
from assay.datasets.audit.finding import Finding, ranked
from assay.datasets.audit.noise import Embed, label_noise
from assay.datasets.audit.parts import Parts
from assay.datasets.audit.personal import personal_data
from assay.datasets.audit.shortcuts import features_alone, features_model
from assay.datasets.audit.table import AuditTable
from assay.datasets.audit.wording import findings_of
from assay.datasets.audit.words import telling_words
from assay.metrics.intervals import Estimate
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError

Result = TypeVar("Result")
OnStage = Callable[[str], None]
MIN_ROWS = 40


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """`name` is what commands call the dataset. `embed` maps texts to vectors (n, d); None: words alone."""

    name: str = "NAME"
    embed: Embed | None = None
    similar: float = SIMILAR
    seed: int = 0
    agreement: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Audit:
    """What was found: the findings, the most harmful first, and what was measured. `seconds` by stage."""

    criterion: Criterion
    rows: int
    findings: tuple[Finding, ...]
    parts: Parts
    seconds: dict[str, float]


def audit(table: AuditTable, settings: AuditSettings | None = None, on_stage: OnStage | None = None) -> Audit:
    """Run every check. `on_stage` hears the name of each stage as it begins. Raises InputError under 40 rows."""
    settings = settings or AuditSettings()
    if len(table) < MIN_ROWS:
        raise InputError(
            "There are too few rows to audit.", required=f"{MIN_ROWS} rows with a target", got=f"{len(table)}"
        )
    clock = _Clock(on_stage)
    features = clock.run("features", lambda: features_of(table))
    parts = Parts(
        alone=tuple(clock.run("each feature alone", lambda: features_alone(table, features, settings.seed))),
        model=clock.run("features together", lambda: features_model(table, features, settings.seed)),
        words=clock.run("words", lambda: telling_words(table, settings.seed)),
        copies=clock.run("copies", lambda: copies_in(table, settings.similar)),
        noise=clock.run("label noise", lambda: label_noise(table, settings.embed, settings.seed)),
        balance=clock.run("balance", lambda: balance_of(table)),
        agreement=settings.agreement,
        personal=clock.run("personal data", lambda: personal_data(table, settings.seed)),
    )
    findings = tuple(ranked(findings_of(table, parts, settings.name)))
    return Audit(criterion=table.criterion, rows=len(table), findings=findings, parts=parts, seconds=clock.seconds)


class _Clock:
    def __init__(self, on_stage: OnStage | None) -> None:
        self._on_stage = on_stage
        self.seconds: dict[str, float] = {}

    def run(self, stage: str, work: Callable[[], Result]) -> Result:
        """Do the work of a stage and note its seconds."""
        if self._on_stage is not None:
            self._on_stage(stage)
        started = time.perf_counter()
        result = work()
        self.seconds[stage] = round(time.perf_counter() - started, 3)
        return result
