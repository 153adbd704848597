"""Prior shift by hand, as odds, and the base rate that EM finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from assay.calibration.prior_shift import estimate_base_rates, importance_weights, label_rates, shift
from assay.metrics.resampling import Resampling
from assay.schema.errors import RefusedError

SHARE = st.floats(0.01, 0.99)


@given(p=st.floats(0, 1), fitted=SHARE, production=SHARE)
def test_two_labels_follow_the_formula_of_odds(p: float, fitted: float, production: float) -> None:
    moved = shift(np.array([[1 - p, p]]), [1 - fitted, fitted], [1 - production, production])[0]
    if 0 < p < 1:
        odds = p / (1 - p) * production / (1 - production) * (1 - fitted) / fitted
        assert moved[1] == pytest.approx(odds / (1 + odds))
    assert moved.sum() == pytest.approx(1)


@given(fitted=SHARE, production=SHARE)
def test_there_and_back_again(fitted: float, production: float) -> None:
    rates = [1 - fitted, fitted], [1 - production, production]
    probabilities = np.array([[0.3, 0.7], [0.9, 0.1]])
    assert shift(shift(probabilities, *rates), *reversed(rates)) == pytest.approx(probabilities)


def test_three_labels_by_hand() -> None:
    moved = shift(np.array([[0.5, 0.3, 0.2]]), [0.5, 0.25, 0.25], [0.25, 0.5, 0.25])
    assert moved == pytest.approx(np.array([[0.25, 0.6, 0.2]]) / 1.05)


def test_shifted_probabilities_average_to_the_production_rate() -> None:
    random = np.random.default_rng(0)
    y = random.random(40_000) < 0.1
    z = np.where(y, 1.0, -1.0) + random.normal(0, 1, 40_000)
    at_half = expit(2 * z)  # the posterior at even odds
    moved = shift(np.column_stack([1 - at_half, at_half]), [0.5, 0.5], [0.9, 0.1])
    assert moved[:, 1].mean() == pytest.approx(0.1, abs=0.005)
    assert at_half.mean() > 0.2


def test_importance_weights_bring_the_rows_to_the_production_rate() -> None:
    labels = np.array([0] * 30 + [1] * 70)
    fitted = label_rates(labels, 2)
    weights = importance_weights(labels, fitted, [0.8, 0.2])
    assert fitted.tolist() == [0.3, 0.7]
    assert label_rates(labels, 2, weights) == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("true_rate", [0.05, 0.4, 0.8])
def test_em_finds_the_rate_and_its_interval_holds_it(true_rate: float) -> None:
    random = np.random.default_rng(3)
    y = random.random(2000) < true_rate
    p = expit(3 * (np.where(y, 1.0, -1.0) + random.normal(0, 0.82, 2000)))
    result = estimate_base_rates(np.column_stack([1 - p, p]), [0.5, 0.5], Resampling(samples=100))
    negative, positive = result.rates
    assert positive.low <= true_rate <= positive.high
    assert positive.high - positive.low < 0.1
    assert negative.value + positive.value == pytest.approx(1)


def test_em_with_three_labels() -> None:
    random = np.random.default_rng(4)
    y = random.choice(3, 3000, p=[0.6, 0.3, 0.1])
    likelihood = np.exp(-(((random.normal(0, 0.5, 3000) + y)[:, None] - np.arange(3)) ** 2) / 0.5)
    probabilities = likelihood / likelihood.sum(axis=1, keepdims=True)
    rates = estimate_base_rates(probabilities, [1 / 3] * 3, Resampling(samples=20)).rates
    assert [rate.value for rate in rates] == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_a_rate_is_not_invented() -> None:
    blind = np.full((100, 2), 0.5)
    with pytest.raises(RefusedError, match="nearly the same probability"):
        estimate_base_rates(blind, [0.5, 0.5])
    p = np.random.default_rng(0).uniform(0.001, 0.1, 200)
    with pytest.raises(RefusedError, match="share of a label is 0"):
        estimate_base_rates(np.column_stack([1 - p, p]), [0.5, 0.5], Resampling(samples=5))
    with pytest.raises(ValueError, match="at least one row"):
        estimate_base_rates(np.zeros((0, 2)), [0.5, 0.5])


@pytest.mark.parametrize("rates", [[0.0, 1.0], [0.5, 0.6], [-0.1, 1.1], [[0.5, 0.5]]])
def test_rates_that_are_none_are_refused(rates: list[float]) -> None:
    with pytest.raises(ValueError, match="positive shares that sum to 1"):
        shift(np.array([[0.5, 0.5]]), rates, [0.5, 0.5])


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="do not match 2 rates"):
        shift(np.array([[0.2, 0.3, 0.5]]), [0.5, 0.5], [0.5, 0.5])
