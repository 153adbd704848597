"""A small judge that was never trained, on a tiny backbone."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.judging.slm import SmallJudge
from assay.models.backbone import find_backbone
from assay.models.small_judge_model import new_model, save_parts
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.judge_version import Calibration, Decision, JudgeVersion, Rendering


@pytest.fixture
def version_of(make_version: Callable[..., JudgeVersion]) -> Callable[..., JudgeVersion]:
    """A version that answers on a scale, with uniform rates unless told otherwise."""

    def make(*labels: str, positive: str | None = "yes", rates: dict[str, float] | None = None, **decision: Any):
        labels = labels or ("yes", "no")
        kind = "binary" if positive else "categorical"
        scale = Scale(kind=kind, levels=tuple(Level(label=label) for label in labels), positive=positive)
        criterion = Criterion(name="advice", version="1", question="?", reads=("turns", "output"), scale=scale)
        uniform = {label: 1 / len(labels) for label in labels}
        calibration = Calibration(
            calibrator="identity",
            parameters={},
            fitted_base_rate=uniform,
            production_base_rate=rates or uniform,
            rate_source="unshifted",
            rows=10,
        )
        rendering = Rendering(
            template="encoder.v1",
            layout="content-first",
            reads=criterion.reads,
            max_tokens=64,
            truncate=("turns", "output"),
            label_tokens={},
        )
        decided = {"threshold": 0.5 if positive else None, "policy": "0.5", **decision}
        return dataclasses.replace(
            make_version(),
            criterion=criterion,
            calibration=calibration,
            rendering=rendering,
            decision=Decision(**decided),
            fallback="block",
        )

    return make


@pytest.fixture
def judge_of(tiny: Callable[..., Path], tmp_path: Path) -> Callable[..., SmallJudge]:
    """A judge with random weights, loaded from a folder as any other. `break_head` makes its numbers NaN."""

    def make(version: JudgeVersion, *, break_head: bool = False) -> SmallJudge:
        backbone = find_backbone(str(tiny("bert")))
        torch.manual_seed(3)
        model = new_model(backbone, "head", len(version.criterion.labels))
        with torch.no_grad():
            model.head.classifier.weight.fill_(float("nan")) if break_head else model.head.classifier.weight.mul_(20)
        folder = tmp_path / "judge"
        folder.mkdir(exist_ok=True)
        save_parts(model, folder, backbone, "head")
        return SmallJudge.load(dataclasses.replace(version, backbone=backbone.ref), folder)

    return make
