"""Quantising a judge: a child with 8-bit weights, calibrated anew, evaluated, and held against its parent.

    made = here.quantize("advice@champion", "int8")
    made.evaluation.decision.passed                      # its gates, the child's budget among them
    made.against_parent.flips

The child's folder holds what the parent's does and `int8.safetensors`, the ranges of its layers' inputs. Weights are
rounded at every load from the parent's own, by one rule and without chance: there is no second copy of them to trust.
"""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.api.evaluation import OnJudged, check_dataset, evaluate_version
from assay.api.reports import Evaluation
from assay.config import Settings
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.inference.factory import lone_engine
from assay.inference.int8.ranges import RANGES_FILE, save_ranges
from assay.inference.int8.runner import check_quantisable, ranges_of
from assay.judging.slm import SmallJudge
from assay.models.backbone import load_tokenizer
from assay.models.small_judge_model import TOKENIZER_FOLDER
from assay.models.tokens import Tokens
from assay.registry import Registry, Resolved
from assay.registry.children import add_child
from assay.schema.dataset import DatasetVersion, FrozenRow
from assay.schema.errors import InputError, RefusedError, shown
from assay.schema.ids import new_id
from assay.schema.judge_version import Calibration, JudgeVersion, Places
from assay.store.blobs import Blobs
from assay.training.calibration import Calibrated, DecisionSettings, calibrate, uncalibrated
from assay.validation.gates import QUANTISED
from assay.validation.report import AgainstParent

RANGE_ROWS = 128  # rows of `train`, unlabelled, that the ranges are measured on: states of some ten thousand tokens
OnStage = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The child, its evaluation, and how it stands against its parent."""

    version: JudgeVersion
    evaluation: Evaluation
    against_parent: AgainstParent


def quantise_version(  # noqa: PLR0913 - four places of one workspace
    parent: Resolved,
    to: str,
    dataset: DatasetVersion,
    registry: Registry,
    settings: Settings,
    *,
    on_stage: OnStage = lambda stage: None,
    on_judged: OnJudged | None = None,
) -> Quantised:
    """Make, calibrate, store and evaluate the child. `on_stage` hears what begins.

    Raises InputError (`to`), RefusedError (quantised already, a policy that cannot be met), UnsupportedJudgeError,
    ConflictError (another dataset), NotFoundError, IntegrityError.
    """
    _check(parent.version, to)
    check_dataset(parent.version, dataset)
    rows = load_rows(Blobs(settings.blobs), dataset)
    staging = settings.runs / new_id("quantise")
    staging.mkdir(parents=True)
    try:
        on_stage("measuring ranges")
        tokens = _token_rows(parent, rows_of(rows, "train")[:RANGE_ROWS])
        save_ranges(ranges_of(parent.version, parent.folder, tokens, settings.engine.backbones), staging)
        on_stage("calibrating")
        calibrated = _calibrated(parent, rows_of(rows, "calibration"), staging, settings.engine.backbones)
        changes = {
            "dtype": to,
            "calibration": calibrated.calibration,
            "decision": calibrated.decision,
            "certificate": None,  # it was about the parent's scores
        }
        child = add_child(registry, parent, changes, settings.runs, {RANGES_FILE: staging / RANGES_FILE})
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    on_stage("judging the test rows with child and parent")
    evaluation = evaluate_version(registry.resolve(child.id), dataset, registry, settings, on_judged)
    found = evaluation.report.against_parent
    assert found is not None  # noqa: S101 - quantised versions are always held against their parent
    return Quantised(version=child, evaluation=evaluation, against_parent=found)


def _check(version: JudgeVersion, to: str) -> None:
    if to not in QUANTISED:
        raise InputError(
            "A judge cannot be quantised to this.", required=f"one of {', '.join(QUANTISED)}", got=shown(to)
        )
    if version.dtype in QUANTISED:
        raise RefusedError(
            f"{version.id} is quantised already.",
            required="a judge in float32 or bfloat16",
            got=version.dtype,
            next_step=f"quantise its parent: assay quantize {version.parent} --to {to}",
        )
    check_quantisable(dataclasses.replace(version, dtype="int8"))


def _token_rows(judge: Resolved, rows: Sequence[FrozenRow]) -> list[tuple[int, ...]]:
    version = judge.version
    tokenizer = load_tokenizer(judge.folder / TOKENIZER_FOLDER)
    tokens = Tokens(tokenizer, version.family, version.criterion, version.rendering)
    return [row.ids for row in tokens.rows([row.example for row in rows])]


def _calibrated(parent: Resolved, rows: Sequence[FrozenRow], staging: Path, places: Places) -> Calibrated:
    """A calibrator and thresholds for the child's own scores, by the parent's policy and production rate."""
    for name in parent.version.files:
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parent.folder / name, staging / name)
    calibration, decision = uncalibrated(parent.version.criterion)
    draft = dataclasses.replace(
        parent.version, dtype="int8", calibration=calibration, decision=decision, certificate=None
    )
    before = parent.version.calibration
    asked = DecisionSettings(policy=parent.version.decision.policy, base_rate=_known_rate(parent.version))
    judge = SmallJudge.alone(draft, staging, lone_engine(draft, places))
    found = calibrate(judge, rows, asked, seed=int(parent.version.training.get("seed", 0)))
    # the rate was declared or estimated for the parent; the child takes it over as what it was
    kept: Calibration = dataclasses.replace(found.calibration, rate_source=before.rate_source)
    return dataclasses.replace(found, calibration=kept)


def _known_rate(version: JudgeVersion) -> float | None:
    """The positive share in production that the parent's probabilities were moved to, where one is known."""
    positive = version.criterion.scale.positive
    if positive is None or version.calibration.rate_source == "unshifted":
        return None
    return version.calibration.production_base_rate[positive]
