"""Evaluating a judge version: its verified folder and its frozen dataset in, report, gates and card out."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.api.judge_files import TRAINING_FILE
from assay.api.loaded_judge import loaded
from assay.api.parents import against_parent
from assay.api.reports import Evaluation, keep
from assay.config import Settings
from assay.datasets.frozen_rows import load_rows
from assay.judging.slm import SmallJudge
from assay.registry import Registry, Resolved
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion
from assay.schema.errors import ConflictError
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Verdict
from assay.store.blobs import Blobs
from assay.validation.evaluate import evaluate
from assay.validation.gates import QUANTISED, GateRules
from assay.validation.llm_verdicts import read_verdicts

OnJudged = Callable[[int, int], None]  # rows judged, rows in all


@dataclass(frozen=True, kw_only=True)
class _Watched:
    """The judge itself, telling how far it is: validation hears only of whole windows of 2,048 rows."""

    judge: SmallJudge
    on_batch: Callable[[int], None]

    @property
    def id(self) -> str:
        return self.judge.id

    @property
    def criterion(self) -> Criterion:
        return self.judge.criterion

    def judge_many(
        self, examples: Iterable[Example], on_batch: Callable[[int], None] | None = None
    ) -> Iterator[Verdict]:
        return self.judge.judge_many(examples, on_batch or self.on_batch)


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What more an evaluation shows. `llm_verdicts`: a file with a prompted LLM's verdicts, to stand beside the judge;
    `slices`: keys of `meta`, or source, turns, length, to cut the test rows by; None finds them.
    """

    llm_verdicts: Path | None = None
    slices: tuple[str, ...] | None = None


def evaluate_version(
    resolved: Resolved,
    dataset: DatasetVersion,
    registry: Registry,
    settings: Settings,
    on_judged: OnJudged | None,
    options: EvaluationOptions | None = None,
) -> Evaluation:
    """Measure a version on the test split of the dataset it belongs to, and keep what was found in its folder.

    Raises ConflictError (another dataset of that name), InputError ([gates], a file of verdicts, a slice key),
    NotFoundError, IntegrityError.
    """
    options = options or EvaluationOptions()
    rules = GateRules.from_mapping(settings.gates)
    version = resolved.version
    check_dataset(version, dataset)
    rows = load_rows(Blobs(settings.blobs), dataset)
    test = [row.example.id for row in rows if row.split == "test"]
    llm = None if options.llm_verdicts is None else read_verdicts(options.llm_verdicts, version.criterion, test)
    judge = loaded(version, resolved.folder, settings.engine).running
    watched = _Watched(judge=judge, on_batch=_counter(len(test), on_judged))
    report = evaluate(
        watched,
        version,
        dataset,
        rows,
        llm_verdicts=llm,
        training=_training_record(resolved),
        slices=options.slices,
    )
    if version.dtype in QUANTISED:
        report = replace(report, against_parent=against_parent(resolved, rows, registry, settings.engine.backbones))
    return keep(resolved, report, rules, registry, settings)


def check_dataset(version: JudgeVersion, dataset: DatasetVersion) -> None:
    """Refuse another dataset than the one a version was trained on. Raises ConflictError."""
    if dataset.digest != version.dataset_digest:
        raise ConflictError(
            f"The dataset {dataset.id} here is not the one that {version.id} was trained on.",
            required=f"digest {version.dataset_digest[:16]}…",
            got=f"digest {dataset.digest[:16]}…",
            next_step="train a judge on the dataset here",
        )


def _counter(total: int, on_judged: OnJudged | None) -> Callable[[int], None]:
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if on_judged is not None:
            on_judged(done, total)

    return count


def _training_record(resolved: Resolved) -> dict[str, Any] | None:
    """The record of the training, for its curves; None where it did not come with the folder."""
    try:
        values = json.loads((resolved.folder / TRAINING_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return values if isinstance(values, dict) else None
