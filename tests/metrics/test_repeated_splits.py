"""The mean over splits: by hand, its width where splits share rows or do not, and what it covers."""

import numpy as np
import pytest

from assay.metrics.repeated_splits import SplitRows, mean_over_splits
from assay.metrics.resampling import weighted_mean


def split(groups: np.ndarray, values: np.ndarray) -> SplitRows:
    return SplitRows(groups=groups, arrays=(values,))


def test_the_value_is_the_mean_of_the_splits_values() -> None:
    one = split(np.array(["a", "b"]), np.array([0.0, 1.0]))
    other = split(np.array(["b", "c", "d", "e"]), np.array([1.0, 1.0, 1.0, 0.0]))
    found = mean_over_splits(weighted_mean, [one, other], samples=50)
    assert found.value == (0.5 + 0.75) / 2
    assert found.n == 6
    assert "5 groups of 2 splits" in found.method


def test_the_same_test_rows_twice_are_worth_no_more_than_once() -> None:
    values = np.random.default_rng(0).random(100)
    rows = split(np.arange(100), values)
    once, twice = (mean_over_splits(weighted_mean, [rows] * times) for times in (1, 2))
    assert (twice.low, twice.high) == (once.low, once.high)


def test_other_rows_narrow_the_interval_by_the_root_of_their_number() -> None:
    random = np.random.default_rng(1)
    splits = [split(np.arange(100) + 100 * number, random.normal(size=100)) for number in range(4)]
    one, four = (mean_over_splits(weighted_mean, splits[:count], samples=2000) for count in (1, 4))
    assert (one.high - one.low) / (four.high - four.low) == pytest.approx(2, rel=0.15)


def test_rows_of_one_group_move_together_in_every_split() -> None:
    groups = np.repeat(np.arange(10), 10)
    values = (groups % 2).astype(float)
    together = mean_over_splits(weighted_mean, [split(groups, values)] * 2)
    apart = mean_over_splits(weighted_mean, [split(np.arange(100), values)] * 2)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_the_interval_holds_the_mean_of_the_judges_as_often_as_promised() -> None:
    """Three random test fifths of 300 rows; three judges with a true mean of their own on each row."""
    random = np.random.default_rng(2)
    held, bounds_held, draws = 0, 0, 200
    for seed in range(draws):
        values = random.normal(size=(300, 1)) + 0.5 * random.normal(size=(300, 3)) + np.array([0.1, 0.2, 0.3])
        places = [random.permutation(300)[:60] for _ in range(3)]
        splits = [split(place, values[place, number]) for number, place in enumerate(places)]
        found = mean_over_splits(weighted_mean, splits, samples=300, seed=seed)
        held += found.low <= 0.2 <= found.high
        alone = [mean_over_splits(weighted_mean, [one], samples=300, seed=seed) for one in splits]
        bounds_held += np.mean([one.low for one in alone]) <= 0.2 <= np.mean([one.high for one in alone])
    assert 0.90 <= held / draws <= 0.98
    assert bounds_held / draws >= 0.98  # the mean of the bounds promises 95 % and is too wide


def test_no_split_and_an_undefined_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one split"):
        mean_over_splits(weighted_mean, [])
    with pytest.raises(ValueError, match="undefined"):
        mean_over_splits(weighted_mean, [split(np.arange(2), np.array([np.nan, 1.0]))])
