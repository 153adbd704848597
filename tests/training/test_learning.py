"""Tiny models learn; and judge, evaluation and plain transformers see the same scores."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from simple_task import dataset_of, registry_at, train_at
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

from assay.judging.slm import SmallJudge
from assay.rendering.render import render
from assay.schema.dataset import FrozenRow
from assay.schema.verdict import Decided
from assay.training.train import TrainedJudge, TrainingRequest
from assay.validation.evaluate import evaluate
from assay.validation.outcomes import judged

CASES = [
    ("bert", "full", "binary", {}),
    ("roberta", "lora", "ordinal", {}),
    ("deberta", "full", "categorical", {}),
    ("llama", "full", "binary", {"layout": "content-first"}),
    ("llama", "lora", "ordinal", {}),
    ("qwen3", "lora", "categorical", {"layout": "content-first"}),
    ("qwen3", "full", "binary", {}),
    ("gemma2", "lora", "binary", {}),
    ("llama", "alora", "binary", {}),
    ("qwen3", "alora", "binary", {"lora_layers": "top:1", "epochs": 8}),
    ("modernbert", "lora", "binary", {"lora_layers": "top:1"}),
]
OVERRIDES = {"epochs": 5, "batch_size": 8, "max_tokens": 128}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    trained: TrainedJudge
    judge: SmallJudge
    folder: Path
    test: list[FrozenRow]


@pytest.fixture(scope="module")
def outcome_of(tiny, tmp_path_factory) -> Callable[..., Outcome]:
    made: dict[str, Outcome] = {}

    def make(kind: str, method: str, task: str, changes: dict[str, Any]) -> Outcome:
        key = f"{kind}-{method}-{task}"
        if key not in made:
            root = tmp_path_factory.mktemp(key)
            rate = {"lora": 5e-3, "alora": 5e-3, "full": 2e-3}[method]
            overrides = {**OVERRIDES, "learning_rate": rate, **changes}
            request = TrainingRequest(backbone=str(tiny(kind)), method=method, dtype="float32", overrides=overrides)
            trained = train_at(root, task, request)
            found = registry_at(root).resolve(trained.id)
            test = [row for row in dataset_of(task)[1] if row.split == "test"]
            judge = SmallJudge.load(found.version, found.folder)
            made[key] = Outcome(trained=trained, judge=judge, folder=found.folder, test=test)
        return made[key]

    return make


@pytest.mark.parametrize(("kind", "method", "task", "changes"), CASES)
def test_it_learns(outcome_of, kind, method, task, changes):
    outcome = outcome_of(kind, method, task, changes)
    verdicts = list(outcome.judge.judge_many(row.example for row in outcome.test))
    assert all(isinstance(verdict, Decided) for verdict in verdicts)
    right = [verdict.label == row.target.value for verdict, row in zip(verdicts, outcome.test, strict=True)]
    assert np.mean(right) >= 0.85  # the commonest label has a half or a third
    fit = outcome.trained.fit
    assert fit.epochs[-1]["train_loss"] < fit.epochs[0]["train_loss"]
    assert max(epoch["dev_accuracy"] for epoch in fit.epochs) >= 0.85


def plain_scores(outcome: Outcome, kind: str, method: str, row: FrozenRow) -> np.ndarray:
    """Log-probabilities of the labels by transformers and PEFT alone, one row at a time, from the judge's folder."""
    version, folder = outcome.trained.version, outcome.folder
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    rendering = version.rendering
    segments = render(row.example, version.criterion, rendering.template, rendering.layout, rendering.label_texts)
    decoder = version.family == "decoder"
    auto = AutoModelForCausalLM if decoder else AutoModel
    base = auto.from_pretrained(folder / "backbone" if method == "full" else version.backbone.name, dtype=torch.float32)
    model = base if method == "full" else PeftModel.from_pretrained(base, folder / "adapter")
    pieces = [tokenizer(segment.text, add_special_tokens=False).input_ids for segment in segments if segment.text]
    with torch.no_grad():
        if decoder:
            begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
            ids = torch.tensor([[*begin, *(token for piece in pieces for token in piece)]])
            wanted = [version.rendering.label_tokens[label] for label in version.criterion.labels]
            logits = model.eval()(input_ids=ids).logits[0, -1, wanted]
        else:
            ids = [tokenizer.cls_token_id]
            for piece in pieces:
                ids += [*piece, tokenizer.sep_token_id]
            states = model.eval()(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
            head = load_file(folder / "head.safetensors")
            logits = head["classifier.weight"] @ states + head["classifier.bias"]
        return torch.log_softmax(logits.double(), dim=-1).numpy()


@pytest.mark.parametrize(("kind", "method", "task", "changes"), CASES)
def test_judge_evaluation_and_plain_transformers_agree(outcome_of, kind, method, task, changes):
    outcome = outcome_of(kind, method, task, changes)
    labels = outcome.trained.version.criterion.labels
    by_judge = [outcome.judge.judge(row.example) for row in outcome.test[:6]]
    by_evaluation = judged(outcome.judge, outcome.test).verdicts  # what `evaluate` measures
    for row, one, other in zip(outcome.test, by_judge, by_evaluation, strict=False):
        plain = plain_scores(outcome, kind, method, row)
        for verdict in (one, other):
            assert np.abs(np.array([verdict.scores[label] for label in labels]) - plain).max() < 1e-4


@pytest.mark.parametrize(("kind", "method", "task", "changes"), CASES[:2])
def test_the_report_measures_the_same_verdicts(outcome_of, kind, method, task, changes):
    outcome = outcome_of(kind, method, task, changes)
    dataset, rows = dataset_of(task)
    report = evaluate(outcome.judge, outcome.trained.version, dataset, rows)
    verdicts = list(outcome.judge.judge_many(row.example for row in outcome.test))
    right = [verdict.label == row.target.value for verdict, row in zip(verdicts, outcome.test, strict=True)]
    assert sum(report.confusion[code][code] for code in range(len(report.confusion))) == sum(right)
    assert report.answers.decided == len(outcome.test)


def latest_within_one_error(epochs):
    """The latest epoch that was within one standard error of the lowest dev loss up to it."""
    kept, lowest = 0, math.inf
    for epoch in epochs:
        lowest = min(lowest, epoch["dev_calibrated_loss"])
        if epoch["dev_calibrated_loss"] <= lowest + epoch["dev_calibrated_loss_error"]:
            kept = epoch["epoch"]
    return kept


@pytest.mark.parametrize(("kind", "method", "task", "changes"), CASES[:1])
def test_the_folder_and_the_record(outcome_of, kind, method, task, changes):
    outcome = outcome_of(kind, method, task, changes)
    version, fit = outcome.trained.version, outcome.trained.fit
    record = json.loads((outcome.folder / "training.json").read_text())
    assert record["best_epoch"] == fit.best_epoch
    assert len(record["epochs"]) == len(fit.epochs) <= OVERRIDES["epochs"]
    assert record["versions"].keys() == {"torch", "transformers", "peft", "accelerate"}
    assert record["settings"]["learning_rate"] == 2e-3
    assert (fit.dtype, version.dtype, fit.resumed_from_epoch) == ("float32", "float32", None)
    assert fit.rows_per_s > 0
    assert fit.tokens == len(fit.epochs) * (fit.tokens // len(fit.epochs))
    assert fit.best_epoch == latest_within_one_error(fit.epochs)
    assert not list((outcome.folder.parent.parent / "runs").glob("*/"))  # nothing private is left
    assert version.calibration.rows == 60
    assert version.decision.threshold is not None
    assert set(version.files) == {
        path.relative_to(outcome.folder).as_posix()
        for path in outcome.folder.rglob("*")
        if path.is_file() and path.name not in ("judge.json", "training.json")
    }
