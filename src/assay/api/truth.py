"""Truth: what is known of the labels of a workspace, and what would mislead a judge trained on them.

    truth = here.truth
    truth.agreement("advice").overall["krippendorff_alpha"]
    truth.audit("advice").audit.findings
    truth.diff("advice", old_version="1").moved

Each method is one command. It computes nothing itself.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.api.criteria import read_criterion
from assay.api.embedding import embedder
from assay.api.frozen_datasets import dataset_of
from assay.config import Settings
from assay.datasets.agreement import coefficients, rated
from assay.datasets.agreement_report import AgreementReport, agreement_report
from assay.datasets.audit.audit import Audit, AuditSettings, OnStage, audit
from assay.datasets.audit.page import About, render_page
from assay.datasets.audit.suspects import suspects
from assay.datasets.audit.table import AuditTable
from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.consensus import target_of
from assay.datasets.criterion_diff import Fate, Moved, criterion_diff, label_fates
from assay.datasets.frozen_rows import load_rows
from assay.datasets.relabelling import Flips, SampledLabel, draw_sample, flip_estimate
from assay.datasets.weighted_consensus import weighted_targets
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, NotFoundError, shown
from assay.schema.example import Example
from assay.schema.ids import utc_now
from assay.schema.label import Label, Target
from assay.schema.records import record_from
from assay.store import criteria, examples
from assay.store.blobs import Blobs
from assay.store.database import Database


@dataclass(frozen=True, kw_only=True, eq=False)
class Audited:
    """An audit, its page, and the rows to label again."""

    name: str
    audit: Audit
    page: str
    suspects: list[dict[str, object]]


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """Both ways to a target for every example: `moved` are those on which they differ, `ties` those with no majority,
    `undecided` those that the weighted consensus leaves to adjudication (example ids).
    """

    examples: int
    majority: dict[str, Target]
    weighted: dict[str, Target]
    ties: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def moved(self) -> tuple[str, ...]:
        """Examples that the two decide differently."""
        return tuple(
            id_
            for id_, target in self.majority.items()
            if id_ in self.weighted and self.weighted[id_].value != target.value
        )


@dataclass(frozen=True, kw_only=True)
class CriterionChange:
    """What moved between two versions, what becomes of the old labels, and, from a sample, how many would flip."""

    old: Criterion
    new: Criterion
    moved: tuple[Moved, ...]
    fates: tuple[Fate, ...]
    flips: Flips | None


class Truth:
    """The data side of one workspace. Made by `Workspace.truth`."""

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings

    def agreement(self, criterion: str, *, sources: Sequence[str] = ()) -> AgreementReport:
        """Agreement in full, older versions of the criterion beside it; `sources` limits it to labels of these.

        Raises NotFoundError (no labels).
        """
        asked = self._criterion(criterion)
        labelled = _of_sources(self._labelled(asked), sources)
        return agreement_report(labelled, asked, under=self._by_version(asked, sources))

    def consensus(self, criterion: str) -> Consensus:
        """Majority and weighted targets side by side. Raises NotFoundError (no labels)."""
        asked = self._criterion(criterion)
        rows = self._labelled(asked)
        majority = {example.id: target_of(labels) for example, labels in rows}
        found = zip(rows, weighted_targets([labels for _, labels in rows], asked), strict=True)
        weighted = {example.id: target for (example, _), target in found}
        return Consensus(
            examples=len(rows),
            majority={id_: target for id_, target in majority.items() if target is not None},
            weighted={id_: target for id_, target in weighted.items() if target is not None},
            ties=tuple(id_ for id_, target in majority.items() if target is None),
            undecided=tuple(id_ for id_, target in weighted.items() if target is None),
        )

    def audit(
        self,
        criterion: str,
        *,
        dataset: str | None = None,
        embeddings: bool = False,
        seed: int = 0,
        on_stage: OnStage | None = None,
    ) -> Audited:
        """Audit a frozen dataset, or, without one, all labelled examples of the criterion.

        Raises NotFoundError, InputError (too few rows, a dataset of another criterion), MissingExtraError (embeddings).
        """
        asked = self._criterion(criterion)
        table, agreement, name = self._table(asked, dataset)
        embed = embedder(self._settings.backbone) if embeddings else None
        settings = AuditSettings(name=criterion, embed=embed, seed=seed, agreement=agreement)
        found = audit(table, settings, on_stage)
        page = render_page(found, About(name=name, audited_at=utc_now()[:19] + " UTC"))
        return Audited(name=name, audit=found, page=page, suspects=suspects(table, found))

    def diff(self, criterion: str, old_version: str | None = None, sample: Path | None = None) -> CriterionChange:
        """What moved since an older version (by default the one recorded before); `sample` is the file of
        `relabelling_sample`, labelled anew. Raises NotFoundError, InputError.
        """
        new = self._criterion(criterion)
        old = self._older(new, old_version)
        with self._database.read() as connection:
            given = [label for _, labels in examples.iter_labelled(connection, old.key) for label in labels]
            answered = {example.id: labels for example, labels in examples.iter_labelled(connection, new.key)}
        flips = None
        if sample is not None:
            carried = new.carries_over.get(old.version, {})
            flips = flip_estimate(read_sample(sample), answered, new, carried)
        return CriterionChange(
            old=old,
            new=new,
            moved=tuple(criterion_diff(old, new)),
            fates=tuple(label_fates(given, old, new)),
            flips=flips,
        )

    def relabelling_sample(
        self, criterion: str, size: int, *, old_version: str | None = None, seed: int = 0
    ) -> tuple[list[SampledLabel], list[Example]]:
        """Examples labelled under an older version, to be labelled anew. Raises NotFoundError, InputError."""
        old = self._older(self._criterion(criterion), old_version)
        with self._database.read() as connection:
            return draw_sample(examples.iter_labelled(connection, old.key), size, seed)

    def _by_version(
        self, criterion: Criterion, sources: Sequence[str]
    ) -> list[tuple[Criterion, list[tuple[Example, Sequence[Label]]]]]:
        """Every recorded version with the labels given under it, newest first; empty where there is but one."""
        with self._database.read() as connection:
            known = [one for one in criteria.every(connection) if one.name == criterion.name]
            if len(known) == 1:
                return []
            return [(one, _of_sources(examples.iter_labelled(connection, one.key), sources)) for one in reversed(known)]

    def _criterion(self, name: str) -> Criterion:
        return read_criterion(self._settings.criteria, name)

    def _labelled(self, criterion: Criterion) -> list[tuple[Example, Sequence[Label]]]:
        with self._database.read() as connection:
            rows = list(labelled_with_carried(connection, criterion))
        if not rows:
            raise NotFoundError(
                f"No example has a label for criterion {criterion.key!r}.",
                required="imported examples with labels",
                next_step=f"assay data import FILE --criterion {criterion.name}",
            )
        return rows

    def _table(self, criterion: Criterion, dataset: str | None) -> tuple[AuditTable, Any, str]:
        if dataset is None:
            rows = self._labelled(criterion)
            agreement = coefficients(rated(rows), criterion)
            return AuditTable.of_labelled(rows, criterion), agreement, criterion.name
        frozen = dataset_of(self._database, criterion.name, dataset)
        kept = load_rows(self._blobs, frozen)
        agreement = coefficients(rated((row.example, row.labels) for row in kept), frozen.criterion)
        return AuditTable.of_frozen(kept, frozen.criterion), agreement, frozen.id

    def _older(self, new: Criterion, version: str | None) -> Criterion:
        with self._database.read() as connection:
            known = [one for one in criteria.every(connection) if one.name == new.name and one.version != new.version]
        for one in known:
            if version is None or one.version == version:
                return known[-1] if version is None else one
        raise NotFoundError(
            f"There is no older version of criterion {new.name!r} here.",
            required=f"one of {[one.version for one in known]}" if known else "labels imported under an older version",
            got=shown(version),
            next_step="raise `version` in the file only after rows were imported under the old one",
        )


def _of_sources(
    labelled: Iterable[tuple[Example, Sequence[Label]]], sources: Sequence[str]
) -> list[tuple[Example, Sequence[Label]]]:
    return [
        (example, [label for label in labels if not sources or label.source in sources]) for example, labels in labelled
    ]


def read_sample(path: Path) -> list[SampledLabel]:
    """The sample file that `assay criteria sample` wrote. Raises NotFoundError, InputError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)["sampled"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"{path.name}, line {number}: not a line of a relabelling sample.",
                required='{"sampled": {…}, …} as written by assay criteria sample',
                got=shown(line),
            ) from None
        rows.append(record_from(SampledLabel, values, where=f"{path.name}, line {number}"))
    return rows
