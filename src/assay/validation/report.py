"""Report: what an evaluation found, every number with its interval; `report.json` is this record.

`evaluate` makes it, `gates.decide` and `card.render_card` read it and need nothing else: the rows, the judge and the
dataset may be elsewhere by then. It holds no weights and, of the judged texts, only short excerpts of the worst
mistakes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from assay.metrics.accuracy import RecallAtFpr
from assay.metrics.curves import PrecisionRecallPoint, RiskCoverage
from assay.metrics.intervals import Estimate
from assay.metrics.reliability import CalibrationError
from assay.schema.criterion import Criterion
from assay.schema.dataset import Waiver
from assay.schema.errors import InputError, shown
from assay.schema.judge_version import Decision
from assay.schema.later_fields import later_field
from assay.schema.receipt import Receipt
from assay.schema.records import record_from, to_jsonable

FORMAT = "report.v1"
Measures = Mapping[str, Estimate | None]  # name → estimate, None where it is undefined on these rows


@dataclass(frozen=True, kw_only=True)
class JudgeSummary:
    """What the judge is, for people; the whole recipe is its `judge.json`."""

    id: str
    family: str
    method: str
    backbone: str
    parameters: int
    dtype: str
    layout: str
    reads: tuple[str, ...]
    max_tokens: int
    calibrator: str
    calibration_rows: int
    decision: Decision
    fallback: str
    trained_on: str  # dataset id
    created_at: str


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """What the judge was tested on and who labelled it.

    `test_sources` is label → source of the deciding label → test rows; the other mappings are copied from the dataset.
    """

    id: str
    digest: str
    counts: Mapping[str, Mapping[str, int]]
    deciding_sources: Mapping[str, Mapping[str, int]]
    test_sources: Mapping[str, Mapping[str, int]]
    agreement: Mapping[str, Mapping[str, float]]
    waiver: Waiver | None
    receipts: tuple[Receipt, ...] = later_field(())
    synthetic: Mapping[str, int] = later_field({})


@dataclass(frozen=True, kw_only=True)
class BaseRates:
    """How often each label occurs: in the test rows and, as far as known, in production.

    `source` says where the production rate came from; where it is `unshifted` nobody declared or estimated one, and
    `production` is the rate of the rows that the calibrator was fitted on.
    """

    test: Mapping[str, float]
    production: Mapping[str, float]
    source: Literal["declared", "estimated", "unshifted"]

    @property
    def known(self) -> bool:
        """True when a production base rate was declared or estimated."""
        return self.source != "unshifted"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An example that the judge could not judge."""

    example: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What became of the test rows: decided, abstained or failed; only decided ones enter the measures.

    `coverage` is decided among decided and abstained, `failed_share` failed among all. `failures` lists the first ones.
    `latency_ms` is quantile (p50, p95, p99) → milliseconds a verdict; `seconds` the wall time of all.
    """

    rows: int
    decided: int
    abstained: int
    failed: int
    coverage: Estimate
    failed_share: Estimate
    failures: tuple[Failure, ...]
    truncated_rows: int
    truncated_tokens: int
    latency_ms: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Slice:
    """The measures on a part of the test rows: those whose `key` has this `value`. None when under `MIN_SLICE_ROWS`."""

    key: str
    value: str
    n: int
    positives: int | None  # rows of the positive label; None unless the scale is binary
    measures: Measures | None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something simpler, or dearer, on the same test rows. `differences` are the judge's value minus this one's,
    paired.
    """

    name: str  # majority, bag-of-words, llm-judge
    what: str
    n: int
    threshold: float | None
    measures: Measures
    differences: Mapping[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong verdict. `margin` in [0.5, 1) is how sure the judge was; `excerpt` is field → shortened text."""

    example: str
    truth: str
    answered: str
    probability: float  # of the answer, as the judge gave it
    margin: float
    excerpt: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One point of the training curves. `dev_calibrated_loss` is the dev loss at its best temperature."""

    epoch: float
    train_loss: float | None
    dev_loss: float | None
    dev_calibrated_loss: float | None


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """How training went. `kept_epoch` is the one whose weights were kept; `note` says whether it over-fitted."""

    epochs: tuple[Epoch, ...]
    kept_epoch: float | None
    seconds: float | None
    note: str


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What the pictures show. `precision_recall` is empty unless the scale is binary."""

    precision_recall: tuple[PrecisionRecallPoint, ...]
    risk_coverage: RiskCoverage


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """Bytes: `disk` of the judge's own files, `shared_disk` of the backbone's where it lies elsewhere, `memory` of all
    weights when loaded.
    """

    disk: int
    shared_disk: int
    memory: int


@dataclass(frozen=True, kw_only=True)
class AgainstParent:
    """A quantised child beside its parent, on the test rows as a fixed probe set.

    `flips` is the share of rows with another answer (label, abstention or failure). The drifts are means over rows of
    the largest change of any label: `score_drift` in log-odds of the raw scores, `probability_drift` after each one's
    own calibrator. `f1_loss` is the parent's main measure minus the child's, paired; None where it is undefined.
    """

    parent: str
    rows: int
    flips: Estimate
    score_drift: Estimate
    largest_score_drift: float
    probability_drift: Estimate
    f1_loss: Estimate | None
    rows_per_s: float
    parent_rows_per_s: float
    size: ModelSize
    parent_size: ModelSize


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was measured of one judge version on one dataset.

    `measures` are those of the whole test split: binary scales have f1, precision, recall, specificity, auroc, auprc,
    mcc, kappa, brier, brier_change; the others accuracy, macro_f1, kappa, brier, brier_change and, ordinal ones,
    weighted_kappa and mean_absolute_error. `brier_change` is what calibration did to the Brier score (below 0 is
    better). `main_measure` names the one that gates and slices go by. `calibration` and `brier` are taken at the test's
    own base rate, everything else at the probabilities that the judge gave. `confusion` counts rows, truth down and
    answers across, in the order of the scale.
    """

    judge: JudgeSummary
    criterion: Criterion
    dataset: DatasetSummary
    base_rates: BaseRates
    answers: Answers
    main_measure: Literal["f1", "macro_f1"]
    measures: Measures
    per_label: Mapping[str, Measures]
    recall_at_low_fpr: RecallAtFpr | None
    calibration: CalibrationError
    expected_precision: Estimate | None
    confusion: tuple[tuple[int, ...], ...]
    slices: tuple[Slice, ...]
    contenders: tuple[Contender, ...]
    curves: Curves
    mistakes: tuple[Mistake, ...]
    training: TrainingSummary | None
    seed: int
    created_at: str
    format: str = FORMAT
    against_parent: AgainstParent | None = None  # quantised children

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        values: dict[str, Any] = to_jsonable(self)
        return values

    def to_json(self) -> str:
        """The text of `report.json`: indented, in the order of the record, no NaN."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "report.json") -> Self:
        """The report from plain values. Raises InputError for unknown fields, wrong types or another format."""
        if values.get("format") != FORMAT:
            raise InputError(
                f"{where} is not a report that this version of Assay reads.",
                required=f"format {FORMAT!r}",
                got=shown(values.get("format")),
                next_step="evaluate the judge again",
            )
        return record_from(cls, values, where=where)

    def contender(self, name: str) -> Contender | None:
        """The contender of that name, None when it was not measured."""
        return next((contender for contender in self.contenders if contender.name == name), None)
