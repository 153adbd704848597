"""Policies as text, and thresholds by hand, by brute force and under weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import f1_score, precision_score, recall_score

from assay.calibration.policies import Policy, parse_policy
from assay.calibration.thresholds import Threshold, choose_threshold, low_fpr_threshold
from assay.schema.errors import InputError, RefusedError

P = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9])
Y = np.array([False, False, True, False, True, True])


def f1_at(p: np.ndarray, y: np.ndarray, threshold: float) -> float:
    called = p >= threshold
    return float(2 * (called & y).sum() / (called.sum() + y.sum()))


def choose(text: str, p: np.ndarray = P, y: np.ndarray = Y, weights: np.ndarray | None = None) -> Threshold:
    return choose_threshold(p, y, weights, parse_policy(text))


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("max-f1", Policy(kind="max-f1")),
        (" MAX-F1 ", Policy(kind="max-f1")),
        ("precision>=0.95", Policy(kind="precision", bound=0.95)),
        ("recall >= .9", Policy(kind="recall", bound=0.9)),
        ("fpr<=0.01", Policy(kind="fpr", bound=0.01)),
        ("cost:fp=1, fn=5", Policy(kind="cost", cost_fp=1, cost_fn=5)),
        ("0.5", Policy(kind="fixed", bound=0.5)),
    ],
)
def test_policies_are_read_and_written(text: str, policy: Policy) -> None:
    assert parse_policy(text) == policy
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max-f2",
        "precision>0.9",
        "precision>=1",
        "recall>=0",
        "fpr>=0.1",
        "1.5",
        "-0.2",
        "cost:fp=0,fn=1",
        "cost:fn=1,fp=1",
        "nan",
        "0.5x",
    ],
)
def test_other_texts_are_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(InputError, match=r"precision>=X \| recall>=X"):
        parse_policy(text)


def test_highest_recall_with_the_precision() -> None:
    chosen = choose("precision>=0.74")
    assert chosen.value == pytest.approx(0.3)
    assert (chosen.precision, chosen.recall, chosen.fpr) == (0.75, 1.0, 1 / 3)
    assert choose("precision>=0.9").value == pytest.approx(0.65)


def test_highest_precision_with_the_recall() -> None:
    assert choose("recall>=0.9").value == pytest.approx(0.3)
    assert choose("recall>=0.6").value == pytest.approx(0.65)


def test_highest_recall_with_the_false_positive_rate() -> None:
    assert choose("fpr<=0.1").value == pytest.approx(0.65)
    assert choose("fpr<=0.34").value == pytest.approx(0.3)


def test_costs_are_met_by_the_probability() -> None:
    assert choose("cost:fp=1,fn=3").value == 0.25
    assert choose("cost:fp=3,fn=1").value == 0.75


def test_a_fixed_threshold_is_kept_and_measured() -> None:
    chosen = choose("0.5")
    assert (chosen.value, chosen.precision, chosen.recall) == (0.5, pytest.approx(2 / 3), pytest.approx(2 / 3))
    nothing = choose("0.95")
    assert nothing.precision is None
    assert nothing.recall == 0


@given(seed=st.integers(0, 10_000), text=st.sampled_from(["max-f1", "precision>=0.6", "recall>=0.7", "fpr<=0.3"]))
@settings(max_examples=60, deadline=None)
def test_what_is_reported_is_what_scikit_learn_measures(seed: int, text: str) -> None:
    random = np.random.default_rng(seed)
    p = np.round(random.random(40), 2)
    y = random.random(40) < p
    if y.all() or not y.any():
        return
    weights = random.uniform(0.2, 3, 40)
    try:
        chosen = choose(text, p, y, weights)
    except RefusedError:
        return
    called = p >= chosen.value
    assert chosen.value not in p
    assert chosen.f1 == pytest.approx(f1_score(y, called, sample_weight=weights))
    assert chosen.precision == pytest.approx(precision_score(y, called, sample_weight=weights))
    assert chosen.recall == pytest.approx(recall_score(y, called, sample_weight=weights))


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_no_other_threshold_does_better(seed: int) -> None:
    random = np.random.default_rng(seed)
    p = random.random(25)
    y = random.random(25) < p
    if y.all() or not y.any():
        return
    chosen = choose("recall>=0.5", p, y)
    rivals = [(p >= t) for t in p if y[p >= t].sum() >= 0.5 * y.sum()]
    assert chosen.precision == pytest.approx(max(y[called].mean() for called in rivals))


def test_weights_move_the_choice() -> None:
    weights = np.where(Y, 1.0, 9.0)
    assert choose("precision>=0.74").value == pytest.approx(0.3)
    assert choose("precision>=0.74", weights=weights).value == pytest.approx(0.65)


def test_max_f1_is_half_of_the_best_f1_in_the_middle_of_its_gap() -> None:
    assert choose("max-f1").value == pytest.approx(0.5)  # best F1 6/7, half of it 0.43, between 0.4 and 0.6
    separated = choose("max-f1", np.array([0.02, 0.03, 0.95, 0.97]), np.array([False, False, True, True]))
    assert separated.value == pytest.approx(0.49)
    assert separated.f1 == 1.0


def test_max_f1_beats_the_best_of_the_calibration_rows_on_new_rows() -> None:
    random = np.random.default_rng(0)
    gains = []
    for _ in range(60):
        z = random.normal(-0.4, 3, 120)
        y = random.random(120) < expit(z)
        new = random.normal(-0.4, 3, 3000)
        truth = random.random(3000) < expit(new)
        argmax = max(expit(z), key=lambda cut: f1_at(expit(z), y, cut))
        ours = choose("max-f1", expit(z), y).value
        gains.append(f1_at(expit(new), truth, ours) - f1_at(expit(new), truth, argmax))
    assert np.mean(gains) > 0.003


def test_what_cannot_be_met_is_refused_with_the_best_there_is() -> None:
    with pytest.raises(RefusedError, match=r"at best precision 0\.500, at recall 1\.000"):
        choose("precision>=0.9", np.array([0.3, 0.6, 0.6]), np.array([False, True, False]))
    with pytest.raises(RefusedError, match=r"at best false-positive rate 0\.500"):
        choose("fpr<=0.1", np.array([0.3, 0.6, 0.6]), np.array([False, True, False]))
    for y in (np.ones(6, bool), np.zeros(6, bool)):
        with pytest.raises(RefusedError, match="one class only"):
            choose("max-f1", P, y)


def test_bad_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="one or more rows"):
        choose("max-f1", np.array([]), np.array([], dtype=bool))
    with pytest.raises(ValueError, match="equal number"):
        choose("max-f1", P, Y[:-1])


def test_low_false_positive_threshold_allows_one_in_a_hundred() -> None:
    negatives, positives = np.linspace(0, 0.5, 200), np.linspace(0.4, 0.9, 20)
    p, y = np.concatenate([negatives, positives]), np.repeat([False, True], [200, 20])
    threshold = low_fpr_threshold(p, y)
    assert threshold is not None
    assert (negatives >= threshold).sum() == 2
    strict = low_fpr_threshold(p[150:], y[150:])
    assert strict is not None
    assert strict > 0.5
    assert low_fpr_threshold(positives, np.ones(20, bool)) is None


def test_low_false_positive_threshold_with_tied_negatives_stays_above_them() -> None:
    p = np.array([0.2] * 500 + [0.9] * 10)
    threshold = low_fpr_threshold(p, np.repeat([False, True], [500, 10]))
    assert threshold == pytest.approx(0.55)
    alone = low_fpr_threshold(np.full(500, 0.2), np.zeros(500, bool))
    assert alone == pytest.approx(0.6)
