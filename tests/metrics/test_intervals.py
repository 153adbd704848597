"""Intervals of proportions against statsmodels, and their edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from assay.metrics.intervals import Estimate, clopper_pearson, independent_rows, wilson, wilson_bounds


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (0, 50), (3, 7), (95, 100), (100, 100), (1234, 5000)])
def test_wilson_and_clopper_pearson_agree_with_statsmodels(successes: int, n: int) -> None:
    for ours, name in ((wilson(successes, n), "wilson"), (clopper_pearson(successes, n), "beta")):
        low, high = proportion_confint(successes, n, alpha=0.05, method=name)
        assert ours.low == pytest.approx(low, abs=1e-9)
        assert ours.high == pytest.approx(high, abs=1e-9)
        assert ours.value == successes / n


def test_confidence_is_honoured() -> None:
    low, high = proportion_confint(40, 50, alpha=0.2, method="wilson")
    assert wilson(40, 50, 0.8).low == pytest.approx(low)
    assert wilson(40, 50, 0.8).high == pytest.approx(high)


@given(n=st.integers(1, 2000), share=st.floats(0, 1))
def test_wilson_holds_its_value_and_stays_in_the_unit_interval(n: int, share: float) -> None:
    estimate = wilson(round(share * n), n)
    assert 0 <= estimate.low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.high <= 1


def test_wilson_bounds_take_arrays() -> None:
    low, high = wilson_bounds(np.array([0.0, 0.95]), np.array([50, 100]))
    assert low[1] == pytest.approx(wilson(95, 100).low)
    assert high[0] == pytest.approx(wilson(0, 50).high)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (5, 4), (-1, 4)])
def test_impossible_counts_are_refused_in_a_sentence(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=r"there are none|must lie between"):
        wilson(successes, n)
    with pytest.raises(ValueError, match=r"there are none|must lie between"):
        clopper_pearson(successes, n)


@given(n=st.integers(2, 500), share=st.floats(0, 1))
def test_independent_rows_of_wilson_are_its_rows(n: int, share: float) -> None:
    assert independent_rows(wilson(round(share * n), n)) == pytest.approx(n, rel=1e-6)


def test_a_wider_interval_is_worth_fewer_rows() -> None:
    narrow = wilson(25, 50)
    clustered = Estimate(value=0.5, low=narrow.low, high=narrow.high, n=400, method="clustered bootstrap")
    assert independent_rows(clustered) == pytest.approx(50, rel=1e-6)


def test_an_estimate_is_plain_json() -> None:
    assert wilson(1, 2).to_dict().keys() == {"value", "low", "high", "n", "method"}
