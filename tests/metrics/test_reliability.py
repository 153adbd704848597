"""Brier score and calibration error: hand-computed values, ties, and the perfect judge by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, norm
from sklearn.metrics import brier_score_loss

from assay.metrics.perfect_judge import dependence_within, perfect_ece
from assay.metrics.reliability import (
    brier,
    brier_change,
    calibration_error,
    default_bins,
    equal_mass_bins,
    squared_errors,
    top_label,
)
from assay.metrics.resampling import Resampling

FEW = Resampling(samples=200)


def test_brier_is_scikit_learns_for_two_labels() -> None:
    random = np.random.default_rng(0)
    p = random.random(80)
    y = random.random(80) < p
    assert brier(y, p, FEW).value == pytest.approx(brier_score_loss(y, p))


def test_brier_sums_over_several_labels() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    assert squared_errors(np.array([0, 1]), probabilities) == pytest.approx([0.09 + 0.04 + 0.01, 0.01 + 0.81 + 0.64])


def test_brier_change_is_paired_and_negative_when_better() -> None:
    y = np.arange(60) % 2 == 0
    rough, fine = np.where(y, 0.6, 0.4), np.where(y, 0.9, 0.1)
    change = brier_change(y, rough, fine, FEW)
    assert change.value == pytest.approx(0.01 - 0.16)
    assert change.low == pytest.approx(change.high)  # every row changes by the same amount
    assert brier_change(y, fine, rough, FEW).value == pytest.approx(0.15)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.2] * 10 + [0.8] * 10)
    correct = np.array([True] * 4 + [False] * 6 + [True] * 7 + [False] * 3)
    result = calibration_error(confidence, correct, FEW, bins=2)
    assert result.ece.value == pytest.approx(0.5 * 0.2 + 0.5 * 0.1)
    assert [(point.n, round(point.observed, 3)) for point in result.curve] == [(10, 0.4), (10, 0.7)]
    assert result.curve[0].low < 0.4 < result.curve[0].high


@given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=1, max_size=60), st.integers(1, 12))
def test_each_row_is_in_one_bin_and_equal_confidences_share_it(values: list[float], bins: int) -> None:
    members = equal_mass_bins(np.array(values), bins)
    assert (members.sum(axis=1) == 1).all()
    assert (members.sum(axis=0) > 0).all()
    assert members.shape[1] <= bins
    bin_of = {value: row.argmax() for value, row in zip(values, members, strict=True)}
    assert all(row.argmax() == bin_of[value] for value, row in zip(values, members, strict=True))
    ordered = [bin_of[value] for value in sorted(bin_of)]
    assert ordered == sorted(ordered)


def test_distinct_confidences_fill_bins_evenly() -> None:
    members = equal_mass_bins(np.random.default_rng(0).random(200), 10)
    assert members.sum(axis=0).tolist() == [20.0] * 10


def test_bins_shrink_with_the_rows() -> None:
    assert [default_bins(n) for n in (1, 19, 45, 100, 5000)] == [1, 1, 4, 10, 10]


def test_a_perfect_judge_is_within_its_quantile_as_often_as_promised() -> None:
    random = np.random.default_rng(1)
    within, gaps, promised, covered = 0, [], [], 0
    for seed in range(100):
        p = random.beta(0.4, 0.4, 150)
        result = calibration_error(p, random.random(150) < p, Resampling(samples=50, seed=seed))
        within += result.within_perfect
        covered += result.ece.low == 0.0
        gaps.append(result.ece.value)
        promised.append(result.perfect_mean)
    assert 0.89 <= within / 100 <= 1.0
    assert covered >= 92
    assert np.mean(gaps) == pytest.approx(np.mean(promised), rel=0.08)


def grouped(random: np.random.Generator, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of 40 groups of 7 rows, and right labels; `share` of the groups have one latent variable in common
    to all their rows, which is what ρ is about.
    """
    groups = np.repeat(np.arange(40), 7)
    p = 1 / (1 + np.exp(-(random.normal(1, 2.5, 40)[groups] + random.normal(0, 0.5, 280))))
    latent = np.sqrt(share) * random.normal(size=40)[groups] + np.sqrt(1 - share) * random.normal(size=280)
    return p, latent < norm.ppf(p), groups


def test_a_perfect_judge_of_grouped_rows_is_within_its_quantile_too() -> None:
    random = np.random.default_rng(5)
    within, as_if_independent = 0, 0
    for seed in range(40):
        p, correct, groups = grouped(random, 0.9)
        within += calibration_error(p, correct, Resampling(groups=groups, samples=20, seed=seed)).within_perfect
        as_if_independent += calibration_error(p, correct, Resampling(samples=20, seed=seed)).within_perfect
    assert within >= 0.88 * 40  # 95 % less two standard errors
    assert as_if_independent <= 0.7 * 40


def test_groups_excuse_no_judge_that_is_wrong_in_independent_rows() -> None:
    random = np.random.default_rng(6)
    for seed in range(10):
        p, correct, groups = grouped(random, 0.0)
        sure = 1 / (1 + (1 / p - 1) ** 3)
        result = calibration_error(sure, correct, Resampling(groups=groups, samples=20, seed=seed))
        assert not result.within_perfect
        assert result.dependence < 0.4


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_dependence_within_groups_is_found_whatever_the_bias(share: float) -> None:
    random = np.random.default_rng(7)
    found = []
    for _ in range(40):
        p, correct, groups = grouped(random, share)
        shifted = 1 / (1 + (1 / p - 1) * 2)  # half the odds
        members = equal_mass_bins(shifted, 10)
        found.append(dependence_within(shifted, correct.astype(float), members, groups))
    assert np.mean(found) == pytest.approx(share, abs=0.12)


def test_rows_that_share_no_group_are_independent() -> None:
    p = np.random.default_rng(8).random(120)
    correct = np.random.default_rng(9).random(120) < p
    alone = calibration_error(p, correct, Resampling(groups=np.arange(120), samples=20))
    plain = calibration_error(p, correct, Resampling(samples=20))
    assert (alone.dependence, alone.perfect_q95) == (0.0, plain.perfect_q95)


def test_the_quantile_of_independent_rows_stands_beside_that_of_dependent_ones() -> None:
    confidence, groups = np.full(200, 0.5), np.repeat(np.arange(40), 5)
    correct = groups % 2 == 0
    grouped = calibration_error(confidence, correct, Resampling(groups=groups.tolist()))
    alone = calibration_error(confidence, correct)
    assert grouped.independent_q95 == alone.perfect_q95 == alone.independent_q95
    assert grouped.dependence > 0.9
    assert grouped.perfect_q95 > grouped.independent_q95


def test_one_draw_decides_a_group_where_the_dependence_is_complete() -> None:
    groups = np.repeat(np.arange(20), 5)
    confidence, members = np.full(100, 0.5), np.ones((100, 1))
    ece = perfect_ece(confidence, members, groups=groups, dependence=1.0)
    expected = np.abs(np.arange(21) / 20 - 0.5) @ binom.pmf(np.arange(21), 20, 0.5)  # as of 20 rows
    assert ece.mean() == pytest.approx(expected, rel=0.05)


def test_an_overconfident_judge_is_found_out() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, 400)
    correct = random.random(400) < 1 / (1 + np.exp(-logits))
    result = calibration_error(1 / (1 + np.exp(-4 * logits)), correct, FEW)
    assert not result.within_perfect
    assert 0 < result.ece.low < result.ece.value < result.ece.high


def test_top_label() -> None:
    confidence, correct = top_label(np.array([0, 2]), np.array([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]))
    assert confidence.tolist() == [0.5, 0.6]
    assert correct.tolist() == [True, False]


def test_no_rows_are_refused() -> None:
    for measure in (lambda: brier(np.array([]), np.array([])), lambda: calibration_error(np.array([]), np.array([]))):
        with pytest.raises(ValueError, match="at least one row"):
            measure()
