"""`train`: a frozen dataset and a backbone in, a calibrated judge version in the registry out.

    trained = train(dataset, rows, registry, TrainingRequest(backbone="minilm"), runs=project / ".assay/runs")
    trained.id  # advice-3f2a91c0

Killed at any moment, the same call goes on from the last finished epoch: the run's folder is named by the digest of
everything that decides the weights. It knows nothing of `test`, gates or promotion.
"""

import contextlib
import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from transformers import set_seed

from assay.datasets.frozen_rows import rows_of
from assay.datasets.soft_targets import hard_targets
from assay.inference.torch.device import best_dtype
from assay.judging.slm import SmallJudge
from assay.metrics.intervals import Estimate
from assay.models.backbone import Backbone, find_backbone
from assay.models.lora import LoraShape
from assay.models.small_judge_model import SmallJudgeModel, new_model, save_parts
from assay.models.tokens import Tokens
from assay.registry import Registry
from assay.registry.refs import check_name
from assay.schema.criterion import Criterion
from assay.schema.dataset import DatasetVersion, FrozenRow
from assay.schema.errors import ConflictError, InputError
from assay.schema.fallback import Escalation, Rung
from assay.schema.ids import digest_files, digest_json, utc_now
from assay.schema.judge_version import Dtype, JudgeVersion, Method, Rendering
from assay.schema.records import to_jsonable
from assay.schema.verdict import Action, Mode
from assay.training.batches import TrainingData, TrainingRow, training_rows
from assay.training.calibration import Calibrated, DecisionSettings, calibrate, check_decision, uncalibrated
from assay.training.explanations import Explaining, end_token_of, explanation_of
from assay.training.loop import Fit, fit_model
from assay.training.probes import add_probes
from assay.training.processes import from_first, is_first
from assay.training.renderings import rendering_for
from assay.training.settings import DEFAULT_METHOD, TrainingSettings, settings_for
from assay.training.taught import Taught, taught
from assay.training.trackers import Tracking, check_trackers

OnProgress = Callable[[str, int, int], None]  # stage, steps done, steps in all
TRAINABLE_SCALES = ("binary", "categorical", "ordinal")


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What to train. `method` None takes LoRA, `dtype` None the fastest type that the
    device has; `overrides` are fields of TrainingSettings. `report_to` names experiment trackers.
    """

    backbone: str = "minilm"
    name: str | None = None  # of the judge; the criterion's name by default
    method: Method | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    label_tokens: Mapping[str, str] = field(default_factory=dict)  # decoder: label → text of its token
    decision: DecisionSettings = field(default_factory=DecisionSettings)
    fallback: Action = "allow-and-flag"
    fallback_chain: tuple[Rung, ...] = ()
    escalation: Escalation | None = None
    files: Mapping[str, Path] = field(default_factory=dict)  # name in the judge's folder → rule file to copy there
    dtype: Dtype | None = None
    report_to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A request with everything looked up and decided."""

    name: str
    dataset: DatasetVersion
    backbone: Backbone
    settings: TrainingSettings
    rendering: Rendering
    dtype: Dtype
    fallback: Action
    report_to: tuple[str, ...]

    @property
    def criterion(self) -> Criterion:
        return self.dataset.criterion

    @property
    def digest(self) -> str:
        """Of everything that decides the weights."""
        return digest_json(
            {
                "dataset": self.dataset.digest,
                "weights": self.backbone.ref.weights_digest,
                "settings": dataclasses.asdict(self.settings),
                "rendering": to_jsonable(self.rendering),
                "dtype": self.dtype,
            }
        )

    @property
    def folder(self) -> str:
        """The name of the run's folder."""
        return self.digest[:16]


@dataclass(frozen=True, kw_only=True)
class TrainedJudge:
    """What came of it."""

    version: JudgeVersion
    fit: Fit
    calibrators: Mapping[str, Mapping[str, float]]
    base_rates: Mapping[str, Estimate]  # each label's share in production; empty unless estimated on traffic

    @property
    def id(self) -> str:
        """The judge version's id."""
        return self.version.id


def train(
    dataset: DatasetVersion,
    rows: Sequence[FrozenRow],
    registry: Registry,
    request: TrainingRequest,
    *,
    runs: Path,
    on_progress: OnProgress | None = None,
) -> TrainedJudge:
    """Train, calibrate, and store a judge version.

    Under `torchrun` every process calls this, and all get what the first one stored. Rows that no label decides teach
    where the targets are soft, and are left alone otherwise. Raises InputError, NotFoundError (backbone), RefusedError
    (a policy that cannot be met, soft targets where every row has one opinion), ConflictError (the same training runs
    already).
    """
    plan = _plan(dataset, request)
    lessons = taught(rows, plan.criterion, plan.settings.targets)
    if not is_first():
        _fit(plan, lessons, rows_of(rows, "dev"), runs / plan.folder, None)
        return from_first(None)
    with _run_folder(runs, plan.folder) as run:
        model, fit = _fit(plan, lessons, rows_of(rows, "dev"), run, on_progress)
        staged = _staged(model, plan, run)
        for name, path in request.files.items():
            shutil.copyfile(path, staged / name)
        draft = dataclasses.replace(
            _draft(plan, fit, _digests(staged)), fallback_chain=request.fallback_chain, escalation=request.escalation
        )
        if on_progress:
            on_progress("calibrate", 0, 1)
        judge = SmallJudge.load(draft, staged)
        calibrated = calibrate(judge, rows_of(rows, "calibration"), request.decision, plan.settings.seed)
        add_probes(judge, _tokens(plan, plan.backbone.load_tokenizer()), staged)
        version = dataclasses.replace(
            draft, calibration=calibrated.calibration, decision=calibrated.decision, files=_digests(staged)
        )
        _write_record(staged, fit, calibrated, plan.settings)
        registry.add(staged, version)
    trained = TrainedJudge(
        version=version, fit=fit, calibrators=calibrated.candidates, base_rates=calibrated.base_rates
    )
    return from_first(trained)


def _plan(dataset: DatasetVersion, request: TrainingRequest) -> _Plan:
    _check_scale(dataset.criterion)
    check_decision(request.decision, dataset.criterion)
    check_trackers(request.report_to)
    backbone = find_backbone(request.backbone)
    settings = settings_for(backbone, request.method or DEFAULT_METHOD, request.overrides)
    return _Plan(
        name=check_name(request.name or dataset.criterion.name),
        dataset=dataset,
        backbone=backbone,
        settings=settings,
        rendering=rendering_for(dataset.criterion, backbone, settings, request.label_tokens),
        dtype=request.dtype or best_dtype(),
        fallback=request.fallback,
        report_to=request.report_to,
    )


def _check_scale(criterion: Criterion) -> None:
    if criterion.scale.kind not in TRAINABLE_SCALES:
        raise InputError(
            f"A judge cannot be trained on a {criterion.scale.kind} scale yet.",
            required=f"one of {list(TRAINABLE_SCALES)}",
            got=f"criterion {criterion.key!r}",
        )


@contextlib.contextmanager
def _run_folder(runs: Path, name: str) -> Iterator[Path]:
    """The private folder of one training, under a lock; deleted when the judge is stored."""
    folder = runs / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(runs / f"{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConflictError(
            "The same training is running in another process.", next_step="wait for it, or change a setting"
        ) from None
    try:
        yield folder
        shutil.rmtree(folder)
    finally:
        lock.release()


def _fit(
    plan: _Plan, lessons: Taught, dev: Sequence[FrozenRow], run: Path, on_progress: OnProgress | None
) -> tuple[SmallJudgeModel, Fit]:
    set_seed(plan.settings.seed)
    backbone, criterion, rendering = plan.backbone, plan.criterion, plan.rendering
    tokenizer = backbone.load_tokenizer()
    tokens = _tokens(plan, tokenizer)
    label_ids = tuple(rendering.label_tokens[label] for label in criterion.labels) if rendering.label_tokens else ()
    model = new_model(
        backbone,
        plan.settings.method,
        len(criterion.labels),
        label_ids,
        lora=LoraShape(
            rank=plan.settings.lora_rank,
            layers=plan.settings.lora_layers,
            invocation_tokens=rendering.invocation_tokens,
        ),
    )
    data = TrainingData(
        train=_split(tokens, lessons.rows, lessons.shares, _explaining(plan, tokens, tokenizer, lessons.rows)),
        dev=_split(tokens, dev, hard_targets(dev, criterion)),
        scale=criterion.scale,
        pad_id=tokenizer.pad_token_id or 0,
    )
    fit = fit_model(
        model,
        data,
        plan.settings,
        dtype=plan.dtype,
        run_folder=run / "checkpoints",
        on_step=None if on_progress is None else lambda done, steps: on_progress("train", done, steps),
        tracking=Tracking(
            trackers=plan.report_to, run_name=f"{plan.name}-{plan.folder[:8]}", folder=run.parent.parent / "trackers"
        ),
    )
    return model, fit


def _staged(model: SmallJudgeModel, plan: _Plan, run: Path) -> Path:
    """The folder of the judge to be, with the model's parts in it."""
    staged = run / "judge"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    save_parts(model, staged, plan.backbone, plan.settings.method)
    return staged


def _tokens(plan: _Plan, tokenizer: Any) -> Tokens:
    return Tokens(tokenizer, plan.backbone.family, plan.criterion, plan.rendering)


def _split(
    tokens: Tokens, rows: Sequence[FrozenRow], shares: np.ndarray, explaining: Explaining | None = None
) -> list[TrainingRow]:
    token_rows = tokens.rows([row.example for row in rows])
    return training_rows(token_rows, shares, None if explaining is None else explaining.continuations(rows, token_rows))


def _explaining(plan: _Plan, tokens: Tokens, tokenizer: Any, rows: Sequence[FrozenRow]) -> Explaining | None:
    """None where no training row has an explanation, or none is to be learnt."""
    settings = plan.settings
    explained = any(explanation_of(row) is not None for row in rows)
    if plan.backbone.family == "encoder" or settings.explanation_weight == 0 or not explained:
        return None
    return Explaining(
        tokens,
        plan.rendering,
        end_token=end_token_of(plan.backbone, tokenizer),
        max_tokens=settings.max_explanation_tokens,
        window=plan.backbone.window,
    )


def _draft(plan: _Plan, fit: Fit, files: Mapping[str, str]) -> JudgeVersion:
    calibration, decision = uncalibrated(plan.criterion)
    modes: tuple[Mode, ...] = ("single-token", "verdict")
    return JudgeVersion(
        name=plan.name,
        criterion=plan.criterion,
        family=plan.backbone.family,
        method=plan.settings.method,
        backbone=plan.backbone.ref,
        rendering=plan.rendering,
        calibration=calibration,
        decision=decision,
        fallback=plan.fallback,
        modes=(*modes, "reasoning") if fit.explained_rows else modes,
        dtype=plan.dtype,
        dataset=plan.dataset.id,
        dataset_digest=plan.dataset.digest,
        training=dataclasses.asdict(plan.settings),
        files=files,
        parent=None,
        created_at=utc_now(),
    )


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return digest_files({path.relative_to(folder).as_posix(): path for path in files})


def _write_record(staged: Path, fit: Fit, calibrated: Calibrated, settings: TrainingSettings) -> None:
    """training.json: what happened (times, losses, versions); it is not part of the recipe."""
    record = {
        **dataclasses.asdict(fit),
        "settings": dataclasses.asdict(settings),
        "calibrators": calibrated.candidates,
        "base_rates": {label: rate.to_dict() for label, rate in calibrated.base_rates.items()},
        "versions": {name: installed(name) for name in ("torch", "transformers", "peft", "accelerate")},
        "python": sys.version.split()[0],
        "threads": torch.get_num_threads(),
    }
    (staged / "training.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
