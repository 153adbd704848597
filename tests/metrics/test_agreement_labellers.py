"""Labellers against one another: quality, drift, Holm, Dawid-Skene."""

import numpy as np
import pytest

from assay.metrics.agreement_labellers import holm, labeller_drift, labeller_quality
from assay.metrics.answers import Answers
from assay.metrics.dawid_skene import dawid_skene

LABELS = ("no", "yes")


def answers(n: int, accuracy: dict[str, float], seed: int = 0) -> tuple[Answers, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n)
    rows = [{name: LABELS[t if random.random() < right else 1 - t] for name, right in accuracy.items()} for t in truth]
    return Answers.of(rows, LABELS), truth


def test_the_careless_labeller_is_found_and_the_others_are_not() -> None:
    given, _ = answers(200, {"ann": 0.9, "bob": 0.9, "cy": 0.9, "dee": 0.6})
    found = labeller_quality(given)
    assert found[0].labeller == "dee"
    assert [one.labeller for one in found if one.suspect] == ["dee"]
    assert found[0].high < 0
    assert all(one.n == 200 for one in found)


def test_leave_one_out_by_hand() -> None:
    # ann against bob and cy: same on item 1 (2 of 2), differs on item 2 (0 of 2), one of two on item 3
    rows = [
        {"ann": "yes", "bob": "yes", "cy": "yes"},
        {"ann": "no", "bob": "yes", "cy": "yes"},
        {"ann": "yes", "bob": "yes", "cy": "no"},
    ]
    ann = next(one for one in labeller_quality(Answers.of(rows, LABELS), min_answers=3) if one.labeller == "ann")
    assert ann.agreement == pytest.approx((1 + 0 + 0.5) / 3)
    assert ann.against_peers == pytest.approx((0 - 1 + 0.5) / 3)  # peers agree on 1 and 2, not on 3
    assert ann.leaning["yes"] == pytest.approx(2 / 3 - 2.5 / 3)


def test_too_few_answers_say_nothing() -> None:
    given, _ = answers(10, {"ann": 0.9, "bob": 0.9, "cy": 0.9})
    assert labeller_quality(given) == []


def test_drift_is_found_in_whoever_changed() -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 300)
    rows = []
    for place, t in enumerate(truth):
        right = {"ann": 0.95, "bob": 0.95, "cy": 0.95 if place < 150 else 0.5}
        rows.append({name: LABELS[t if random.random() < p else 1 - t] for name, p in right.items()})
    given = Answers.of(rows, LABELS)
    dates = np.array([f"2026-{1 + item // 30:02}-01" for item in given.item])
    found = labeller_drift(given, dates)
    assert found[0].labeller == "cy"
    assert found[0].suspect
    assert found[0].change < -0.2
    assert labeller_drift(given, np.full(len(dates), "")) == []


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_dawid_skene_trusts_the_good_labellers_over_the_many() -> None:
    given, truth = answers(400, {"ann": 0.95, "bob": 0.95, "x": 0.55, "y": 0.55, "z": 0.55}, seed=2)
    found = dawid_skene(given)
    majority = given.counts().argmax(axis=1)
    assert found.converged
    assert (found.probabilities.argmax(axis=1) == truth).mean() > (majority == truth).mean() + 0.05
    assert found.confusion[0].diagonal().min() > 0.85
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(400))


def test_dawid_skene_needs_answers() -> None:
    with pytest.raises(ValueError, match="needs answers"):
        dawid_skene(Answers.of([{}], LABELS))
