"""One contract for every registered calibrator. A plug-in that registers one is tested by adding nothing here."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import log_softmax

from assay.calibration.calibrators import (
    Calibrator,
    calibrator,
    calibrator_names,
    fit_calibrator,
    normalised,
    register_calibrator,
)
from assay.schema.errors import InputError

BUILT_IN = ("identity", "temperature.v1", "platt.v1", "desaturated.v1", "beta.v1", "isotonic.v1")
BOTH = [*((name, 2) for name in calibrator_names(2)), *((name, 4) for name in calibrator_names(4))]


def overconfident(n: int, k: int, seed: int = 0, factor: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose log-odds are `factor` times too large, and labels drawn from the right ones."""
    random = np.random.default_rng(seed)
    right = random.normal(0, 1.5, (n, k))
    probabilities = np.exp(log_softmax(right, axis=1))
    labels = np.array([random.choice(k, p=row) for row in probabilities])
    return log_softmax(factor * right, axis=1), labels


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)).mean())


def fitted(name: str, k: int, n: int = 400) -> Calibrator:
    return fit_calibrator(name, *overconfident(n, k))


def test_the_built_in_ones_are_registered_simplest_first() -> None:
    assert [name for name in calibrator_names(2) if name in BUILT_IN] == list(BUILT_IN)
    assert set(BUILT_IN) & set(calibrator_names(3)) == {"identity", "temperature.v1", "platt.v1"}


@pytest.mark.parametrize(("name", "k"), BOTH)
def test_rows_sum_to_one_in_the_shape_of_the_scores(name: str, k: int) -> None:
    scores, _ = overconfident(50, k, seed=1)
    probabilities = fitted(name, k).apply(scores)
    assert probabilities.shape == (50, k)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(50))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


@pytest.mark.parametrize(("name", "k"), BOTH)
def test_a_round_trip_through_json_gives_the_same_probabilities(name: str, k: int) -> None:
    scores, _ = overconfident(50, k, seed=1)
    original = fitted(name, k)
    text = json.dumps(original.parameters, allow_nan=False)
    assert np.array_equal(calibrator(name, json.loads(text)).apply(scores), original.apply(scores))


@pytest.mark.parametrize("name", calibrator_names(2))
def test_a_binary_calibrator_is_monotone_in_the_score(name: str) -> None:
    z = np.linspace(-30, 30, 2001)
    positive = fitted(name, 2).apply(np.column_stack([np.zeros_like(z), z]))[:, 1]
    assert (np.diff(positive) >= -1e-12).all()
    assert positive[-1] > positive[0]


@pytest.mark.parametrize(("name", "k"), [row for row in BOTH if row[0] != "identity"])
def test_overconfidence_is_reduced_on_the_fitted_and_on_other_rows(name: str, k: int) -> None:
    for seed in (0, 9):
        scores, labels = overconfident(400, k, seed=seed)
        before = log_loss(np.exp(scores), labels)
        assert log_loss(fitted(name, k).apply(scores), labels) < before - 0.05


@pytest.mark.parametrize(("name", "k"), BOTH)
def test_extreme_scores_are_survived(name: str, k: int) -> None:
    scores, labels = overconfident(60, k)
    scores[0, 0], scores[1, 0] = 1e3, -1e3
    scores[2, 1] = -np.inf
    for trained in (fitted(name, k), fit_calibrator(name, scores, labels)):
        probabilities = trained.apply(scores)
        assert np.isfinite(probabilities).all()
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))


@pytest.mark.parametrize(("name", "k"), BOTH)
def test_weights_count_as_copies_and_their_scale_does_not_matter(name: str, k: int) -> None:
    scores, labels = overconfident(100, k)
    weights = np.where(np.arange(100) < 30, 2.0, 1.0)
    probe, _ = overconfident(20, k, seed=4)
    weighted, scaled = (fit_calibrator(name, scores, labels, weights * factor).apply(probe) for factor in (1, 10))
    assert weighted == pytest.approx(scaled, abs=1e-6)
    plain = fit_calibrator(name, scores, labels).apply(probe)
    heavy = fit_calibrator(name, scores, labels, np.where(labels == 0, 20.0, 1.0)).apply(probe)
    if name in ("platt.v1", "desaturated.v1", "beta.v1", "isotonic.v1"):
        assert heavy[:, 0].mean() > plain[:, 0].mean()


@pytest.mark.parametrize("name", [name for name in calibrator_names(2) if name != "isotonic.v1"])
def test_a_score_of_even_odds_with_even_labels_stays_even(name: str) -> None:
    scores, labels = overconfident(200, 2)
    mirrored = np.concatenate([scores, scores[:, ::-1]]), np.concatenate([labels, 1 - labels])
    middle = fit_calibrator(name, *mirrored).apply(np.log([[0.5, 0.5]]))
    assert middle == pytest.approx(np.array([[0.5, 0.5]]), abs=2e-3)


@pytest.mark.parametrize("name", ["temperature.v1", "platt.v1", "desaturated.v1", "isotonic.v1"])
def test_a_judge_without_a_single_error_is_still_not_certain(name: str) -> None:
    z = np.where(np.arange(40) < 20, -4.0, 4.0)
    scores = log_softmax(np.column_stack([np.zeros(40), z]), axis=1)
    probabilities = fit_calibrator(name, scores, (z > 0).astype(int)).apply(scores)
    assert 0.9 < probabilities.max() < 0.9995


def test_temperature_is_recovered_from_many_rows() -> None:
    assert fit_calibrator("temperature.v1", *overconfident(4000, 3, factor=2.5)).parameters[
        "temperature"
    ] == pytest.approx(2.5, rel=0.1)


def test_few_rows_give_more_cautious_probabilities_than_many() -> None:
    probe = np.log([[0.02, 0.98]])
    scores, labels = overconfident(3000, 2)
    many = fit_calibrator("platt.v1", scores, labels)
    few = [fit_calibrator("platt.v1", scores[i : i + 30], labels[i : i + 30]) for i in range(0, 3000, 30)]
    spread = np.mean([max(part.parameters["slopes"])[0] - min(part.parameters["slopes"])[0] for part in few])
    assert spread > 3 * (max(many.parameters["slopes"])[0] - min(many.parameters["slopes"])[0])
    assert 0.5 < many.apply(probe)[0, 1] < 0.98


def test_isotonic_agrees_with_pooled_neighbours_by_hand() -> None:
    z = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    scores = log_softmax(np.column_stack([np.zeros(6), z]), axis=1)
    trained = fit_calibrator("isotonic.v1", scores, np.array([0, 1, 0, 1, 1, 1]))
    assert trained.apply(scores)[:, 1] == pytest.approx([1 / 8, 0.5, 0.5, 7 / 8, 7 / 8, 7 / 8])


def test_beta_without_a_slope_the_data_contradict() -> None:
    random = np.random.default_rng(0)
    z = random.normal(0, 2, 300)
    scores = log_softmax(np.column_stack([np.zeros(300), z]), axis=1)
    trained = fit_calibrator("beta.v1", scores, (random.random(300) < 1 / (1 + np.exp(z))).astype(int))
    assert trained.parameters["a"] == trained.parameters["b"] == 0.0


def test_an_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"did you mean 'platt\.v1'"):
        calibrator("plat.v1", {})
    with pytest.raises(InputError, match="registered already"):
        register_calibrator("identity", fit=lambda scores, labels, weights: {}, apply=lambda parameters, scores: scores)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda s, y, w: (s[:, :1], y, w), "two labels or more"),
        (lambda s, y, w: (s * np.nan, y, w), "NaN"),
        (lambda s, y, w: (s, y[:-1], w), "as many labels"),
        (lambda s, y, w: (s[:0], y[:0], w[:0]), "at least one"),
        (lambda s, y, w: (s, y + 1, w), r"0 … 1"),
        (lambda s, y, w: (s, y, w * 0), "weights are positive"),
    ],
)
def test_rows_that_do_not_fit_are_refused(break_it: Callable[..., tuple[np.ndarray, ...]], sentence: str) -> None:
    scores, labels = overconfident(20, 2)
    with pytest.raises(ValueError, match=sentence):
        fit_calibrator("temperature.v1", *break_it(scores, labels, np.ones(20)))


def test_a_binary_calibrator_refuses_three_labels() -> None:
    with pytest.raises(ValueError, match="two labels, not 3"):
        fit_calibrator("isotonic.v1", *overconfident(20, 3))


def test_scores_are_normalised_first() -> None:
    assert np.exp(normalised(np.array([[3.0, 3.0], [0.0, -np.inf]]))) == pytest.approx(np.array([[0.5, 0.5], [1, 0]]))
