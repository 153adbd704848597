"""Binary measures against scikit-learn; intervals by simulation."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay.metrics.accuracy import (
    accuracy,
    binary_metrics,
    expected_precision,
    f1,
    recall_at_fpr,
    share,
)
from assay.metrics.intervals import wilson
from assay.metrics.ranking import auroc_of, average_precision_of
from assay.metrics.resampling import Resampling

FEW = Resampling(samples=50)


def judge(n: int, seed: int, noise: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(n) < 0.4
    scores = np.round(np.clip(np.where(truth, 0.7, 0.3) + random.normal(0, noise, n), 0, 1), 2)  # rounded: ties
    return truth, scores


@given(seed=st.integers(0, 10_000), n=st.integers(5, 80))
@settings(max_examples=40, deadline=None)
def test_every_value_is_scikit_learns(seed: int, n: int) -> None:
    truth, scores = judge(n, seed)
    predicted = scores >= 0.5
    assume(0 < truth.sum() < n and 0 < predicted.sum() < n)
    expected = {
        "precision": sk.precision_score(truth, predicted),
        "recall": sk.recall_score(truth, predicted),
        "specificity": sk.recall_score(~truth, ~predicted),
        "f1": sk.f1_score(truth, predicted),
        "mcc": sk.matthews_corrcoef(truth, predicted),
        "kappa": sk.cohen_kappa_score(truth, predicted),
        "auroc": sk.roc_auc_score(truth, scores),
        "auprc": sk.average_precision_score(truth, scores),
    }
    for name, estimate in binary_metrics(truth, predicted, scores, FEW).items():
        assert estimate is not None
        assert estimate.value == pytest.approx(expected[name], abs=1e-9), name
        assert estimate.low <= estimate.value + 1e-9, name
        assert estimate.high >= estimate.value - 1e-9, name


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_ranking_measures_honour_weights_as_scikit_learn_does(seed: int) -> None:
    truth, scores = judge(60, seed)
    weights = np.random.default_rng(seed).integers(0, 4, 60).astype(float)
    assume(weights[truth].sum() > 0 and weights[~truth].sum() > 0)
    ours = [statistic(weights[None, :], truth, scores)[0] for statistic in (auroc_of, average_precision_of)]
    assert ours[0] == pytest.approx(sk.roc_auc_score(truth, scores, sample_weight=weights))
    assert ours[1] == pytest.approx(sk.average_precision_score(truth, scores, sample_weight=weights))


def test_proportions_get_wilsons_interval_unless_rows_share_a_group() -> None:
    truth, scores = judge(200, 0)
    predicted = scores >= 0.5
    alone = binary_metrics(truth, predicted, scores, Resampling(groups=np.arange(200), samples=50))
    shared = binary_metrics(truth, predicted, scores, Resampling(groups=np.arange(200) // 2, samples=50))
    assert alone["recall"] == wilson(int((predicted & truth).sum()), int(truth.sum()))
    assert {estimate.method for estimate in shared.values() if estimate} == {"clustered bootstrap (50 resamples)"}


def test_what_is_undefined_is_none_and_not_a_number() -> None:
    nothing_called = binary_metrics(np.array([True, False]), np.zeros(2, bool), np.array([0.1, 0.2]), FEW)
    assert nothing_called["precision"] is None
    assert nothing_called["f1"] is not None
    assert nothing_called["f1"].value == 0
    assert nothing_called["mcc"] is not None
    assert nothing_called["mcc"].value == 0
    one_class = binary_metrics(np.zeros(4, bool), np.zeros(4, bool), np.zeros(4), FEW)
    assert {name for name, estimate in one_class.items() if estimate is None} == {
        "precision",
        "recall",
        "f1",
        "mcc",
        "kappa",
        "auroc",
        "auprc",
    }


def test_a_perfect_judge_keeps_an_interval() -> None:
    truth = np.arange(100) < 40
    for name, estimate in binary_metrics(truth, truth, truth.astype(float), FEW).items():
        assert estimate is not None
        assert estimate.value == 1.0
        assert estimate.low < 0.99, name


def test_f1_interval_covers_the_true_f1() -> None:
    random = np.random.default_rng(7)
    true_f1 = 2 * 0.4 * 0.95 / (0.4 + 0.4 * 0.95 + 0.6 * 0.04)
    held = 0
    for _ in range(400):
        truth = random.random(150) < 0.4
        predicted = np.where(truth, random.random(150) < 0.95, random.random(150) < 0.04)
        estimate = f1(truth, predicted)
        held += estimate.low <= true_f1 <= estimate.high
    assert 0.92 <= held / 400 <= 0.985


def test_share_counts_only_the_rows_asked_for() -> None:
    estimate = share(np.array([True, True, False, False]), np.array([True, False, True, False]))
    assert estimate == wilson(1, 2)
    assert share(np.ones(3, bool), np.zeros(3, bool)) is None
    clustered = share(np.array([True, True, False]), np.array([True, True, True]), Resampling(groups=["a", "a", "b"]))
    assert clustered is not None
    assert clustered.value == pytest.approx(2 / 3)
    assert clustered.n == 3


def test_recall_at_a_low_false_positive_rate() -> None:
    truth = np.concatenate([np.ones(10, bool), np.zeros(300, bool)])
    scores = np.concatenate([np.linspace(0.5, 0.95, 10), np.linspace(0, 0.72, 300)])
    result = recall_at_fpr(truth, scores, threshold=0.7)
    assert result is not None
    assert result.recall == wilson(int((scores[:10] >= 0.7).sum()), 10)
    assert result.realised_fpr == wilson(int((scores[10:] >= 0.7).sum()), 300)
    assert recall_at_fpr(truth[:-1], scores[:-1], threshold=0.7) is None


def test_expected_precision_is_bayes_rule() -> None:
    estimate = expected_precision(wilson(90, 100), wilson(190, 200), base_rate=0.1)
    assert estimate.value == pytest.approx(0.1 * 0.9 / (0.1 * 0.9 + 0.9 * 0.05))
    assert estimate.low < estimate.value < estimate.high
    assert estimate == expected_precision(wilson(90, 100), wilson(190, 200), base_rate=0.1)


def test_expected_precision_covers_the_true_one() -> None:
    random = np.random.default_rng(3)
    truth = 0.05 * 0.9 / (0.05 * 0.9 + 0.95 * 0.06)
    held = 0
    for seed in range(200):
        sensitivity, specificity = wilson(random.binomial(120, 0.9), 120), wilson(random.binomial(150, 0.94), 150)
        estimate = expected_precision(sensitivity, specificity, 0.05, seed=seed)
        held += estimate.low <= truth <= estimate.high
    assert 0.91 <= held / 200 <= 0.99


def test_expected_precision_without_a_false_alarm_in_the_test_set_stays_cautious() -> None:
    estimate = expected_precision(wilson(50, 50), wilson(100, 100), base_rate=0.01)
    assert estimate.value == estimate.high == 1.0
    assert estimate.low < 0.4


@pytest.mark.parametrize("base_rate", [0.0, 1.0, -0.1, float("nan")])
def test_an_impossible_base_rate_is_refused(base_rate: float) -> None:
    with pytest.raises(ValueError, match="base rate"):
        expected_precision(wilson(9, 10), wilson(9, 10), base_rate)


def test_bad_arrays_are_refused_in_a_sentence() -> None:
    empty = np.array([], dtype=bool)
    with pytest.raises(ValueError, match="at least one row"):
        binary_metrics(empty, empty, np.array([]))
    with pytest.raises(ValueError, match="one length"):
        f1(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(ValueError, match="F1 is undefined"):
        f1(np.zeros(2, bool), np.zeros(2, bool))
    with pytest.raises(ValueError, match="there are none"):
        accuracy(empty, empty)
