"""Judge the judge: run it over the test split through the path that serves, and report every number with its interval.

    report = evaluate(judge, version, dataset, rows)
    (folder / "report.json").write_text(report.to_json())

It needs all rows of the dataset: `test` to measure, `train` and `calibration` for the trivial baselines. It decides
nothing: whether the judge may be promoted is for `gates`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from assay.judging.judge import Judge
from assay.schema.dataset import SPLITS, DatasetVersion, FrozenRow, Split
from assay.schema.errors import ConflictError, InputError, RefusedError, shown
from assay.schema.ids import short
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Verdict
from assay.validation.baselines import ThresholdChoice, baselines, llm_judge
from assay.validation.headline import (
    at_own_rate,
    calibration_of,
    confusion_of,
    curves_of,
    low_fpr_recall,
    measures_of,
    production_precision,
)
from assay.validation.mistakes import worst_mistakes
from assay.validation.outcomes import Outcomes, answers_of, judged, outcomes_of
from assay.validation.report import BaseRates, Contender, DatasetSummary, JudgeSummary, Report
from assay.validation.slices import check_keys, slices_of
from assay.validation.training_summary import training_summary

MEASURABLE = ("binary", "categorical", "ordinal")


def evaluate(  # noqa: PLR0913 (four things to compare and five options, by keyword)
    judge: Judge,
    version: JudgeVersion,
    dataset: DatasetVersion,
    rows: Sequence[FrozenRow],
    *,
    llm_verdicts: Mapping[str, Verdict] | None = None,
    training: Mapping[str, Any] | None = None,
    slices: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Everything that the dataset's test split says about a judge version.

    Args:
        judge: the running judge, as it serves.
        version: its recipe; calibration and thresholds are read from it.
        dataset: what `rows`, all splits, are the rows of.
        rows: the frozen rows.
        llm_verdicts: example id → a prompted LLM's verdict, to stand beside the judge.
        training: the values of `training.json`, for the training curves.
        slices: `meta` keys, or `source`, `turns`, `length`, to cut by; None finds them.
        seed: of the resampling.
        progress: called with (done, total) after each verdict.

    Raises ConflictError where judge, version and dataset do not belong together, InputError for a scale that cannot be
    measured yet or an unknown slice key, RefusedError without test rows or decided verdicts.

    """
    _check_belonging(judge, version, dataset)
    by_split = _by_split(rows)
    if slices is not None:
        check_keys(by_split["test"], slices)
    run = judged(judge, by_split["test"], progress)
    answers = answers_of(run)
    outcomes = outcomes_of(run, dataset.criterion, version.decision.threshold, seed)
    rates = _base_rates(version, by_split["test"])
    own_rate = at_own_rate(outcomes, version.calibration, rates.test)
    measures, per_label = measures_of(outcomes, own_rate)
    return Report(
        judge=_judge_summary(version),
        criterion=dataset.criterion,
        dataset=_dataset_summary(dataset, by_split["test"]),
        base_rates=rates,
        answers=answers,
        main_measure="f1" if outcomes.binary else "macro_f1",
        measures=measures,
        per_label=per_label,
        recall_at_low_fpr=low_fpr_recall(outcomes, version.decision.low_fpr_threshold),
        calibration=calibration_of(outcomes, own_rate),
        expected_precision=production_precision(measures, rates, dataset.criterion.scale.positive, seed),
        confusion=confusion_of(outcomes),
        slices=slices_of(outcomes, slices, own_rate=own_rate),
        contenders=_contenders(version, by_split, outcomes, llm_verdicts),
        curves=curves_of(outcomes),
        mistakes=worst_mistakes(outcomes),
        training=None if training is None else training_summary(training),
        seed=seed,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _check_belonging(judge: Judge, version: JudgeVersion, dataset: DatasetVersion) -> None:
    if judge.id != version.id:
        raise ConflictError(
            "The judge that runs is not the version to be evaluated.", required=version.id, got=shown(judge.id)
        )
    for whose, criterion in (("judge", judge.criterion), ("recipe", version.criterion)):
        if criterion.digest != dataset.criterion.digest:
            raise ConflictError(
                f"The {whose} and the dataset answer different questions.",
                required=f"criterion {dataset.criterion.key!r}, word for word",
                got=f"{criterion.key!r} (digest {short(criterion.digest)}, not {short(dataset.criterion.digest)})",
                next_step="freeze a dataset with the judge's criterion, or train a judge on this one",
            )
    if dataset.criterion.scale.kind not in MEASURABLE:
        raise InputError(
            "Judges on this scale cannot be evaluated yet.",
            required=f"a scale of {', '.join(MEASURABLE)}",
            got=shown(dataset.criterion.scale.kind),
        )


def _by_split(rows: Sequence[FrozenRow]) -> dict[Split, list[FrozenRow]]:
    found: dict[Split, list[FrozenRow]] = {"train": [], "calibration": [], "test": []}
    for row in rows:
        if row.split in found:
            found[row.split].append(row)
    if not found["test"]:
        raise RefusedError("The dataset has no test rows, so nothing can be measured.", next_step="assay data freeze")
    return found


def _contenders(
    version: JudgeVersion,
    by_split: Mapping[Split, Sequence[FrozenRow]],
    outcomes: Outcomes,
    llm_verdicts: Mapping[str, Verdict] | None,
) -> tuple[Contender, ...]:
    llm = None if llm_verdicts is None else llm_judge(llm_verdicts, outcomes)
    simple = baselines(by_split["train"], by_split["calibration"], outcomes, ThresholdChoice.of(version))
    return simple if llm is None else (*simple, llm)


def _base_rates(version: JudgeVersion, test: Sequence[FrozenRow]) -> BaseRates:
    counts = Counter(row.target.value for row in test)
    return BaseRates(
        test={label: counts[label] / len(test) for label in version.criterion.labels},
        production={label: version.calibration.production_base_rate[label] for label in version.criterion.labels},
        source=version.calibration.rate_source,
    )


def _judge_summary(version: JudgeVersion) -> JudgeSummary:
    return JudgeSummary(
        id=version.id,
        family=version.family,
        method=version.method,
        backbone=version.backbone.name,
        parameters=version.backbone.parameters,
        dtype=version.dtype,
        layout=version.rendering.layout,
        reads=version.rendering.reads,
        max_tokens=version.rendering.max_tokens,
        calibrator=version.calibration.calibrator,
        calibration_rows=version.calibration.rows,
        decision=version.decision,
        fallback=version.fallback,
        trained_on=version.dataset,
        created_at=version.created_at,
    )


def _dataset_summary(dataset: DatasetVersion, test: Sequence[FrozenRow]) -> DatasetSummary:
    sources = {label: _sources(test, label) for label in dataset.criterion.labels}
    return DatasetSummary(
        id=dataset.id,
        digest=dataset.digest,
        counts={split: dataset.counts[split] for split in SPLITS if split in dataset.counts},
        deciding_sources=dataset.deciding_sources,
        test_sources=sources,
        agreement=dataset.agreement,
        waiver=dataset.waiver,
        receipts=dataset.receipts,
        synthetic=dataset.synthetic,
    )


def _sources(test: Sequence[FrozenRow], label: str) -> dict[str, int]:
    return dict(Counter(row.target.source for row in test if row.target.value == label))
