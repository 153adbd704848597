"""The choice of a calibrator, and the goal it was made for: few rows, a saturated, over-confident judge."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax

from assay.calibration.choosing import candidates, choose_calibrator
from assay.metrics.reliability import calibration_error, squared_errors
from assay.metrics.resampling import Resampling


def scores_of(z: np.ndarray) -> np.ndarray:
    return np.asarray(log_softmax(np.column_stack([np.zeros(len(z)), z]), axis=1))


def saturated(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A judge of F1 ≈ .95 whose log-odds are pressed against ± 4."""
    y = random.random(n) < 0.4
    evidence = np.where(y, 1.7, -1.7) + random.normal(0, 1, n)
    return scores_of(4.2 * np.tanh(evidence) + random.normal(0, 0.2, n)), y.astype(int)


def calibrated(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    z = random.normal(0, 2.5, n)
    return scores_of(z), (random.random(n) < expit(z)).astype(int)


def test_few_rows_of_a_saturated_judge_become_calibrated_and_lose_no_sharpness() -> None:
    within, risen = 0, 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        scores, labels = saturated(120, random)
        test_scores, test_labels = saturated(200, random)
        after = choose_calibrator(scores, labels).calibrator.apply(test_scores)[:, 1]
        within += calibration_error(after, test_labels == 1, Resampling(samples=20)).within_perfect
        change = squared_errors(test_labels, after) - squared_errors(test_labels, np.exp(test_scores[:, 1]))
        risen += change.mean() > 0.005
    assert within >= 10
    assert risen <= 1


def test_a_calibrated_judge_is_left_nearly_as_it_is() -> None:
    scores, labels = calibrated(1000, np.random.default_rng(0))
    chosen = choose_calibrator(scores, labels)
    moved = np.abs(chosen.calibrator.apply(scores) - np.exp(scores))
    assert moved.mean() < 0.02
    assert chosen.candidates[chosen.name].log_loss < chosen.candidates["identity"].log_loss + 0.003


def test_a_shape_that_only_isotonic_can_follow_is_found_with_many_rows() -> None:
    random = np.random.default_rng(1)
    z = random.uniform(-4, 4, 3000)
    steps = np.select([z < -2, z < 0, z < 2], [0.05, 0.45, 0.55], 0.95)
    chosen = choose_calibrator(scores_of(z), (random.random(3000) < steps).astype(int))
    assert chosen.name == "isotonic.v1"


@pytest.mark.parametrize(
    ("counts", "k", "names"),
    [
        ((5, 40), 2, ["identity", "temperature.v1"]),
        ((10, 40), 2, ["identity", "temperature.v1", "platt.v1", "desaturated.v1"]),
        ((100, 100), 2, ["identity", "temperature.v1", "platt.v1", "desaturated.v1", "beta.v1"]),
        ((500, 500), 2, ["identity", "temperature.v1", "platt.v1", "desaturated.v1", "beta.v1", "isotonic.v1"]),
        ((500, 500, 500), 3, ["identity", "temperature.v1", "platt.v1"]),
        ((50, 50), 3, ["identity", "temperature.v1"]),
    ],
)
def test_candidates_are_what_the_rows_can_carry(counts: tuple[int, ...], k: int, names: list[str]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    assert list(candidates(labels, k)) == names


def test_the_same_rows_and_seed_give_the_same_choice() -> None:
    rows = saturated(80, np.random.default_rng(2))
    first, second = choose_calibrator(*rows, seed=3), choose_calibrator(*rows, seed=3)
    assert first == second


def test_groups_are_not_parted() -> None:
    scores, labels = saturated(40, np.random.default_rng(3))
    copies = np.repeat(np.arange(40), 6)
    alone = choose_calibrator(scores[copies], labels[copies])
    grouped = choose_calibrator(scores[copies], labels[copies], groups=copies)
    name = "platt.v1"
    assert grouped.candidates[name].gain_standard_error > 1.5 * alone.candidates[name].gain_standard_error


def test_too_few_rows_to_compare_fall_back_on_the_prior() -> None:
    scores, _ = saturated(12, np.random.default_rng(4))
    for labels in (np.zeros(12, int), np.array([1] + [0] * 11)):
        chosen = choose_calibrator(scores, labels)
        assert chosen.name == "temperature.v1"
        assert chosen.candidates == {}


def test_several_labels() -> None:
    random = np.random.default_rng(5)
    right = random.normal(0, 1.5, (300, 3))
    labels = np.array([random.choice(3, p=row) for row in np.exp(log_softmax(right, axis=1))])
    chosen = choose_calibrator(log_softmax(4 * right, axis=1), labels)
    assert chosen.name in ("temperature.v1", "platt.v1")
    assert chosen.candidates["identity"].log_loss > chosen.candidates[chosen.name].log_loss + 0.2


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        choose_calibrator(np.zeros((0, 2)), np.zeros(0, int))


@pytest.mark.parametrize("rows", [60, 120, 240])
def test_without_a_wrong_row_nobody_overturns_the_presumption_by_being_surer(rows: int) -> None:
    """All right and very sure: plain log-loss prefers the surest candidate, but so few rows cannot vouch for 0.999."""
    labels = np.arange(rows) % 2
    log_odds = np.where(labels == 1, 7.0, -7.0)
    scores = np.column_stack([-np.logaddexp(0, log_odds), -np.logaddexp(0, -log_odds)])
    chosen = choose_calibrator(scores, labels)
    assert chosen.candidates["identity"].log_loss < chosen.candidates["desaturated.v1"].log_loss
    assert chosen.name == "desaturated.v1"
    assert chosen.calibrator.apply(scores).max() < 0.999
