"""Certified thresholds: against trusted libraries, by hand, and by simulation of what they promise."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from assay.calibration.betting import betting_p_value, betting_upper_bound
from assay.calibration.certificates import (
    GRID,
    CertificateSettings,
    Sample,
    SideResult,
    certify,
    clopper_pearson_upper,
    hypotheses,
    one_a_group,
    rows_needed,
    starting_threshold,
)

SIMULATIONS = 2000
NEGATIVE = CertificateSettings(risk=0.05, confidence=0.95, threshold=0.5, sides=("negative",))


@pytest.mark.parametrize(("wrong", "rows"), [(0, 1), (0, 59), (3, 100), (50, 100), (99, 100), (100, 100), (7, 5000)])
@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.001])
def test_the_bound_is_clopper_and_pearsons(wrong, rows, alpha):
    bound = float(clopper_pearson_upper(np.array(wrong), np.array(rows), alpha))
    two_sided = binomtest(wrong, rows).proportion_ci(1 - 2 * alpha, method="exact").high
    assert bound == pytest.approx(two_sided, abs=1e-9)
    assert bound == pytest.approx(proportion_confint(wrong, rows, 2 * alpha, method="beta")[1], abs=1e-9)


def clean(rows, probability=0.01, wrong=0):
    positives = np.arange(rows) < wrong
    return Sample(probabilities=np.full(rows, probability), positives=positives, weights=np.ones(rows))


@pytest.mark.parametrize(("rows", "wrong", "passes"), [(58, 0, False), (59, 0, True), (92, 1, False), (93, 1, True)])
def test_so_many_rows_are_needed(rows, wrong, passes):
    # 0.95^59 = 0.0485; P(Bin(93, .05) <= 1) = 0.0500
    side = certify(clean(rows, wrong=wrong), NEGATIVE)["negative"]
    assert (side.threshold == 0.5) is passes
    assert (side.bound <= 0.05) is passes
    assert (side.rows, side.wrong) == (rows, wrong)


def test_both_sides_share_the_level():
    settings = CertificateSettings(risk=0.05, confidence=0.95, threshold=0.5)
    assert settings.alpha == pytest.approx(0.025)
    both = Sample(
        probabilities=np.repeat([0.01, 0.99], [200, 71]),
        positives=np.repeat([False, True], [200, 71]),
        weights=np.ones(271),
    )
    sides = certify(both, settings)
    assert sides["negative"].threshold == 0.5
    assert sides["positive"].threshold is None  # 0.95^71 = 0.0262; one more and it would be there
    assert sides["positive"].bound == pytest.approx(1 - 0.025 ** (1 / 71))


def test_a_side_goes_on_until_the_first_hypothesis_that_stands():
    probabilities = np.concatenate([np.full(300, 0.01), np.full(100, 0.2)])
    positives = np.concatenate([np.zeros(300, bool), np.arange(100) < 60])
    side = certify(Sample(probabilities=probabilities, positives=positives, weights=np.ones(400)), NEGATIVE)["negative"]
    assert 0.15 < side.threshold <= 0.2
    assert (side.rows, side.wrong) == (300, 0)


def test_no_side_goes_past_the_judges_own_threshold():
    settings = CertificateSettings(risk=0.05, confidence=0.95, threshold=0.02, sides=("negative",))
    assert certify(clean(1000), settings)["negative"].threshold == 0.02
    assert hypotheses("positive", 0.9, 0.95).tolist() == [0.95]
    path = hypotheses("positive", 0.95, 0.4)
    assert (path[0], path[-1]) == (0.95, 0.4)
    assert (np.diff(path) < 0).all()


def test_rows_without_a_label_count_as_wrong_on_both_sides():
    sample = Sample(
        probabilities=np.repeat([0.01, 0.99], 100),
        positives=np.repeat([False, True], 100),
        weights=np.ones(200),
        unlabelled=np.arange(200) % 100 == 0,
    )
    sides = certify(sample, CertificateSettings(risk=0.1, confidence=0.9, threshold=0.5))
    assert [side.wrong for side in sides.values()] == [1, 1]


def test_labels_needed_are_none_where_no_number_would_do():
    assert rows_needed(clean(40, wrong=4), NEGATIVE, "negative") is None
    assert rows_needed(clean(30), NEGATIVE, "negative") == 59
    some = rows_needed(clean(100, wrong=2), NEGATIVE, "negative")
    passing = sum(
        certify(clean(some, wrong=int(bad)), NEGATIVE)["negative"].threshold is not None
        for bad in np.random.default_rng(0).binomial(some, 0.02, 300)
    )
    assert passing >= 0.7 * 300


def test_the_start_is_where_other_rows_promise_most():
    random = np.random.default_rng(1)
    probabilities = random.beta(0.3, 2, 2000)
    positives = random.random(2000) < probabilities
    start = starting_threshold("negative", probabilities, positives, 2000, NEGATIVE)
    assert start in GRID
    beyond = probabilities < start
    assert positives[beyond].mean() < 0.05
    assert beyond.sum() > 200
    assert starting_threshold("negative", probabilities[:0], positives[:0], 100, NEGATIVE) is None


def test_one_row_stands_for_its_group():
    places, weights = one_a_group(["c", "a", "b", "d"], ["x", "x", "y", "x"], np.array([1.0, 2.0, 5.0, 1.0]))
    assert places.tolist() == [1, 2]
    assert weights.tolist() == [4.0, 5.0]


@pytest.mark.parametrize(
    "changes", [{"weights": np.zeros(3)}, {"weights": np.ones(2)}, {"max_weight": 0.5}, {"probabilities": np.zeros(0)}]
)
def test_a_sample_that_is_none_is_a_mistake(changes):
    given = {"probabilities": np.full(3, 0.1), "positives": np.zeros(3, bool), "weights": np.ones(3)}
    with pytest.raises(ValueError, match=r"rows|[Ww]eight"):
        certify(Sample(**{**given, **changes}), NEGATIVE)


def test_betting_is_close_to_the_binomial_where_nothing_is_wrong():
    exact = float(clopper_pearson_upper(np.array(0), np.array(200), 0.05))
    bet = betting_upper_bound(np.zeros(200, bool), np.ones(200), 1.0, 0.05)
    assert exact < bet < 1.5 * exact
    assert betting_upper_bound(np.zeros(0, bool), np.ones(0), 1.0, 0.05) == 1.0
    assert betting_p_value(np.ones(50, bool), np.ones(50), 1.0, 0.05) == 1.0


def test_betting_does_not_hang_on_the_scale_of_the_weights():
    random = np.random.default_rng(2)
    weights, wrong = random.uniform(0.5, 4, 300), random.random(300) < 0.02
    one, other = (betting_p_value(wrong, scale * weights, scale * 4, 0.1) for scale in (1.0, 250.0))
    assert one == pytest.approx(other)
    assert betting_p_value(wrong, weights, 40, 0.1) > one  # rows that may weigh more prove less


def misled(random, rows, weighted):
    """A sample of a judge that is too sure, and the true share of wrong rows beyond a threshold on each side.

    Production probabilities are uniform on (0, 1); a row is positive with probability p^0.75. Where `weighted`, rows
    with p < 0.2 are drawn three times less often.
    """
    p = random.random(4 * rows)
    chance = np.where(p < 0.2, 1 / 3, 1.0) if weighted else np.ones(4 * rows)
    p = p[random.random(4 * rows) < chance][:rows]
    weights = np.where(p < 0.2, 3.0, 1.0) if weighted else np.ones(rows)
    return Sample(probabilities=p, positives=random.random(rows) < p**0.75, weights=weights)


def true_risk(side):
    t = side.threshold
    return t**0.75 / 1.75 if side.side == "negative" else 1 - (1 - t**1.75) / (1.75 * (1 - t))


@pytest.mark.parametrize(("rows", "weighted"), [(150, False), (800, False), (3000, True)])
def test_the_promise_is_kept_in_simulation(rows, weighted):
    """At a risk that the sequence crosses, so that a test too lenient would be caught."""
    random = np.random.default_rng(3)
    settings = CertificateSettings(risk=0.15, confidence=0.95, threshold=0.5, starts={"negative": 0.1, "positive": 0.9})
    runs = SIMULATIONS // 5 if weighted else SIMULATIONS
    broken = certified = 0
    for _ in range(runs):
        sides = certify(misled(random, rows, weighted), settings)
        found = [side for side in sides.values() if side.threshold is not None]
        certified += len(found)
        broken += any(true_risk(side) > settings.risk for side in found)
    assert broken / runs <= 1 - settings.confidence
    if rows > 150:
        assert certified > runs / 4  # it does certify


def test_the_promise_is_kept_where_it_is_hardest():
    """Both sequences begin just beyond the thresholds at which the true risk is the one stated: every rejection breaks
    the promise, and an exact test breaks it nearly as often as it may.
    """

    def at(side, low, high):
        return brentq(
            lambda t: true_risk(SideResult(side=side, threshold=t, rows=1, wrong=0, bound=0)) - 0.15, low, high
        )

    starts = {"negative": at("negative", 0.01, 0.5) + 1e-9, "positive": at("positive", 0.5, 0.99) - 1e-9}
    settings = CertificateSettings(risk=0.15, confidence=0.95, threshold=0.5, starts=starts)
    random = np.random.default_rng(5)
    broken = 0
    for _ in range(SIMULATIONS):
        sides = certify(misled(random, 800, False), settings)
        broken += any(side.threshold is not None for side in sides.values())
    assert 0.02 < broken / SIMULATIONS <= 0.05
