"""The bootstrap: reproducible, clustered by group, paired, with coverage checked by simulation."""

import numpy as np
import pytest

from assay.metrics.accuracy import BINARY_STATISTICS
from assay.metrics.resampling import Resampling, bootstrap, paired_bootstrap, percentiles, weighted_mean


def test_every_resample_draws_as_many_rows_as_there_are() -> None:
    pieces = list(Resampling(samples=30, seed=3).weights(17))
    assert np.concatenate(pieces).shape == (30, 17)
    assert (np.concatenate(pieces).sum(axis=1) == 17).all()


def test_groups_are_drawn_whole() -> None:
    weights = next(Resampling(groups=["a", "b", "a", "c", "b"], samples=50).weights(5))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert len(np.unique(weights[:, 3])) > 1


def test_many_rows_are_drawn_in_pieces_with_the_full_number_of_resamples() -> None:
    rows = 1 << 20
    sizes = [len(piece) for piece in Resampling(samples=10).weights(rows)]
    assert sum(sizes) == 10
    assert max(sizes) == 4


def test_the_interval_of_a_mean_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(3, 2, 400)
    estimate = bootstrap(weighted_mean, [values], Resampling(samples=4000))
    half_width = 1.96 * values.std() / 20
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.03)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.arange(20.0)
    first, second = (bootstrap(weighted_mean, [values], Resampling(seed=5, samples=100)) for _ in range(2))
    other = bootstrap(weighted_mean, [values], Resampling(seed=6, samples=100))
    assert first == second
    assert (first.low, first.high) != (other.low, other.high)


def test_copies_of_rows_in_one_group_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(2).random(40)
    single = bootstrap(weighted_mean, [values])
    copied = bootstrap(weighted_mean, [np.repeat(values, 10)], Resampling(groups=np.repeat(np.arange(40), 10)))
    naive = bootstrap(weighted_mean, [np.repeat(values, 10)])
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high), abs=0.02)
    assert copied.method.startswith("clustered")
    assert naive.high - naive.low < 0.5 * (single.high - single.low)


def test_coverage_of_clustered_rows() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(150):
        group_means = random.normal(0, 1, 60)
        values = np.repeat(group_means, 5) + random.normal(0, 0.3, 300)
        estimate = bootstrap(
            weighted_mean, [values], Resampling(groups=np.repeat(np.arange(60), 5), samples=200, seed=seed)
        )
        held += estimate.low <= 0 <= estimate.high
    assert 0.88 <= held / 150 <= 1.0


def test_a_paired_difference_is_narrower_than_two_separate_intervals() -> None:
    random = np.random.default_rng(4)
    truth = random.random(300) < 0.5
    a = truth ^ (random.random(300) < 0.1)
    b = a ^ (random.random(300) < 0.02)
    statistic = BINARY_STATISTICS["f1"]
    paired = paired_bootstrap(statistic, truth, a, b)
    separate = [bootstrap(statistic, (truth, side)) for side in (a, b)]
    assert paired.value == pytest.approx(separate[0].value - separate[1].value)
    assert paired.high - paired.low < min(side.high - side.low for side in separate)
    assert paired_bootstrap(statistic, truth, a, a).to_dict() | {"method": ""} == {
        "value": 0.0,
        "low": 0.0,
        "high": 0.0,
        "n": 300,
        "method": "",
    }


def test_resamples_of_one_class_are_left_out_and_counted() -> None:
    truth = np.array([True] + [False] * 9)
    estimate = bootstrap(BINARY_STATISTICS["auroc"], (truth, np.arange(10.0)), Resampling(samples=1000))
    assert "undefined" in estimate.method
    undefined = int(estimate.method.split(", ")[1].split()[0])
    assert undefined == pytest.approx(1000 * 0.9**10, abs=60)


def test_no_width_at_a_bound_becomes_wilsons_interval() -> None:
    ones = np.ones(50)
    assert bootstrap(weighted_mean, [ones]).low == 1.0
    estimate = bootstrap(weighted_mean, [ones], units=50)
    assert estimate.low == pytest.approx(50 / (50 + 1.959964**2))
    grouped = bootstrap(weighted_mean, [ones], Resampling(groups=np.arange(50) // 5), units=50)
    assert grouped.low == pytest.approx(10 / (10 + 1.959964**2))


def test_what_is_undefined_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap(weighted_mean, [np.array([])])
    with pytest.raises(ValueError, match="undefined on these 3 rows"):
        bootstrap(BINARY_STATISTICS["auroc"], (np.ones(3), np.arange(3.0)))
    with pytest.raises(ValueError, match="3 groups for 2 rows"):
        bootstrap(weighted_mean, [np.zeros(2)], Resampling(groups=["a", "b", "c"]))
    with pytest.raises(ValueError, match="every resample"):
        percentiles(np.array([np.nan]), 0.95)
