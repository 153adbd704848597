"""Soft targets: what a training learns from them, for every scale and kind of backbone, and what it leaves alone."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from simple_task import TASKS, dataset_of, registry_at

from assay.datasets.weighted_consensus import weighted_targets
from assay.judging.slm import SmallJudge
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.errors import RefusedError
from assay.schema.label import UNDECIDED, Label, Target
from assay.training.loop import calibrated_loss
from assay.training.objectives import loss_of
from assay.training.taught import taught
from assay.training.train import TrainingRequest, train

CASES = [("bert", "full", "binary"), ("roberta", "lora", "ordinal"), ("llama", "full", "categorical")]


def target(**votes: int) -> Target:
    most = max(votes.values())
    ahead = [label for label, count in votes.items() if count == most]
    value = ahead[0] if len(ahead) == 1 else UNDECIDED
    return Target(value=value, source="crowd", votes=votes, agreement=most / sum(votes.values()))


def with_doubt(task: str, tied: int = 20):
    """The simple task; of every third training row one of four labellers said something else, and some are tied."""
    dataset, rows = dataset_of(task)
    labels, found = TASKS[task], []
    for place, row in enumerate(rows):
        other = labels[(labels.index(row.target.value) + 1) % len(labels)]
        if row.split == "train" and place % 3 == 0:
            row = dataclasses.replace(row, target=target(**{row.target.value: 3, other: 1}))  # noqa: PLW2901
        found.append(row)
    doubtful = [row for row in found if row.split == "train"][:tied]
    for place, row in enumerate(doubtful):
        example = dataclasses.replace(row.example, id=f"tied-{place}")
        shared = target(**{labels[0]: 1, labels[1]: 1})
        found.append(dataclasses.replace(row, example=example, target=shared, component=example.id))
    return dataset, found


def test_ties_teach_with_soft_targets_only():
    dataset, rows = with_doubt("categorical")
    hard, soft = (taught(rows, dataset.criterion, kind) for kind in ("hard", "soft"))
    assert (len(hard.rows), len(soft.rows)) == (160, 180)
    assert set(hard.shares.ravel()) == {0.0, 1.0}
    assert hard.shares.sum(axis=1).tolist() == [1.0] * 160
    assert soft.shares[0].tolist() == [0.75, 0.25, 0.0]
    assert soft.shares[-1].tolist() == [0.5, 0.5, 0.0]
    assert {row.split for row in soft.rows} == {"train"}


def test_soft_targets_without_doubt_are_refused():
    dataset, rows = dataset_of("binary")
    with pytest.raises(RefusedError, match="labellers of no training row differ") as refused:
        taught(rows, dataset.criterion, "soft")
    assert "assay data next --criterion binary_task --pool labelled --budget 32" in refused.value.next_step


@pytest.mark.parametrize(("kind", "method", "task"), CASES)
def test_every_scale_and_family_learns_from_soft_targets(tiny, tmp_path, kind, method, task):
    dataset, rows = with_doubt(task)
    overrides = {"epochs": 5, "batch_size": 8, "max_tokens": 128, "targets": "soft"}
    overrides["learning_rate"] = 5e-3 if method == "lora" else 2e-3
    request = TrainingRequest(backbone=str(tiny(kind)), method=method, dtype="float32", overrides=overrides)
    trained = train(dataset, rows, registry_at(tmp_path), request, runs=tmp_path / "runs")
    found = registry_at(tmp_path).resolve(trained.id)
    judge = SmallJudge.load(found.version, found.folder)
    test = [row for row in rows if row.split == "test"]
    verdicts = judge.judge_many(row.example for row in test)
    assert np.mean([one.label == row.target.value for one, row in zip(verdicts, test, strict=True)]) >= 0.85
    assert trained.version.training["targets"] == "soft"
    record = json.loads((found.folder / "training.json").read_text())
    assert record["settings"]["targets"] == "soft"
    assert record["uncertain_rows"] == trained.fit.uncertain_rows == 54 + 20  # every third of 160, and the ties
    assert max(epoch["dev_accuracy"] for epoch in trained.fit.epochs) >= 0.85  # against the consensus


def test_with_hard_targets_ties_change_nothing(tiny, tmp_path):
    request = TrainingRequest(backbone=str(tiny("bert")), method="head", dtype="float32", overrides={"epochs": 2})
    made = []
    for tied in (0, 20):
        dataset, rows = with_doubt("binary", tied)
        root = tmp_path / str(tied)
        made.append(train(dataset, rows, registry_at(root), request, runs=root / "runs"))
    assert made[0].id == made[1].id
    assert made[0].fit.uncertain_rows == 0


def fitted(features: torch.Tensor, shares: torch.Tensor) -> torch.nn.Linear:
    """The best linear judge, by the loss that training minimises."""
    model = torch.nn.Linear(features.shape[1], shares.shape[1]).double()
    steps = torch.optim.LBFGS(model.parameters(), max_iter=200)

    def loss():
        steps.zero_grad()
        value = loss_of(model(features), shares, torch.ones(shares.shape[1]), torch.eye(shares.shape[1]))
        value = value + 1e-3 * (model.weight**2).sum()
        value.backward()
        return value

    steps.step(loss)
    return model


def scores(model: torch.nn.Linear, features: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(features).numpy()


def simulated(seed: int, rows: int, errors: tuple[float, ...], *, one_truth: bool):
    """Texts that people answer; with `one_truth` all mean the same answer and err, else each draws their own."""
    numbers = np.random.default_rng(seed)
    features = numbers.normal(size=(rows, 8))
    chance = 1 / (1 + np.exp(-features @ np.array([1.2, -1.0, 0.8, 0.6, 0, 0, 0, 0])))
    meant = numbers.random((rows, 1 if one_truth else len(errors))) < chance[:, None]
    answers = meant ^ (numbers.random((rows, len(errors))) < np.array(errors))
    return torch.tensor(features), answers.astype(int), meant[:, 0].astype(int)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean())


def mean_and_error(gains: list[float]) -> tuple[float, float]:
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / np.sqrt(len(gains)))


@pytest.mark.parametrize(("errors", "one_truth"), [((0.0, 0.0, 0.0), False), ((0.2, 0.2, 0.2), True)])
def test_the_answer_of_one_more_labeller_is_likelier_with_soft_targets(errors, one_truth):
    """Three labellers, who differ by what they think or by mistake; measured on answers of a fourth like them."""
    gains = []
    for seed in range(12):
        features, answers, _ = simulated(seed, 150, errors, one_truth=one_truth)
        fresh, said, _ = simulated(100 + seed, 4000, errors[:1], one_truth=one_truth)
        share = torch.tensor(answers.mean(axis=1))
        soft, hard = torch.stack([1 - share, share], dim=1), torch.eye(2).double()[(share > 0.5).long()]
        losses = [log_loss(scores(fitted(features, targets), fresh), said[:, 0]) for targets in (hard, soft)]
        gains.append(losses[0] - losses[1])
    mean, error = mean_and_error(gains)
    assert mean - 3 * error > 0


def test_where_one_answer_is_right_soft_targets_cost_little_once_calibrated():
    """Labellers of different care, weighed by Dawid-Skene. Its probabilities know the labellers and not the text, so
    that they teach too little confidence; calibration gives that back.
    """
    levels = (Level(label="no"), Level(label="yes"))
    scale = Scale(kind="binary", levels=levels, positive="yes")
    criterion = Criterion(name="c", version="1", question="?", reads=("output",), scale=scale)
    gains = []
    for seed in range(12):
        features, answers, _ = simulated(seed, 300, (0.05, 0.2, 0.35, 0.35), one_truth=True)
        fresh, _, truth = simulated(100 + seed, 4000, (0.0,), one_truth=True)
        targets = weighted_targets([labels_of(row, criterion) for row in answers], criterion)
        kept = [place for place, one in enumerate(targets) if one is not None]
        soft = torch.tensor([list(targets[place].probabilities.values()) for place in kept]).double()
        hard = torch.eye(2).double()[[criterion.labels.index(targets[place].value) for place in kept]]
        losses = [calibrated_loss(scores(fitted(features[kept], one), fresh), truth)[0] for one in (hard, soft)]
        gains.append(losses[0] - losses[1])
    mean, error = mean_and_error(gains)
    assert mean + 3 * error > -0.01


def labels_of(codes: np.ndarray, criterion: Criterion) -> list[Label]:
    return [
        Label(example_id="1", value=criterion.labels[code], labeller=f"l{who}", source="crowd", criterion=criterion.key)
        for who, code in enumerate(codes)
    ]
