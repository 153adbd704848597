"""Curves: hand-computed points, ties, thinning, and the area."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve as sk_curve

from assay.metrics.curves import MAX_POINTS, precision_recall_curve, risk_coverage
from assay.metrics.resampling import Resampling

FEW = Resampling(samples=100)


def test_precision_recall_points_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.random(50) < 0.4, random.random(50)
    precision, recall, thresholds = sk_curve(truth, scores)
    points = precision_recall_curve(truth, scores)
    assert [(p.threshold, p.precision, p.recall) for p in points] == list(
        zip(thresholds, precision[:-1], recall[:-1], strict=True)
    )


def test_curves_are_thinned_but_keep_their_ends() -> None:
    random = np.random.default_rng(1)
    truth, scores = random.random(5000) < 0.4, random.random(5000)
    points = precision_recall_curve(truth, scores)
    assert len(points) <= MAX_POINTS
    assert points[-1].threshold == scores.max()
    risks = risk_coverage(scores, truth, FEW).points
    assert len(risks) <= MAX_POINTS
    assert risks[-1].coverage == 1.0
    assert risks[-1].risk == pytest.approx(1 - truth.mean())


def test_rows_of_equal_confidence_are_answered_together() -> None:
    result = risk_coverage(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True]), FEW)
    assert [(p.coverage, p.risk, p.confidence) for p in result.points] == [(0.5, 0.5, 0.9), (1.0, 0.25, 0.6)]
    assert result.points[0].low < 0.5 < result.points[0].high


def test_the_area_is_the_mean_risk_over_coverages() -> None:
    result = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]), FEW)
    assert result.area.value == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    constant = risk_coverage(np.full(4, 0.5), np.array([True, True, False, True]), FEW)
    assert constant.area.value == pytest.approx(0.25)


def test_confidence_that_knows_its_errors_has_less_area() -> None:
    random = np.random.default_rng(2)
    p = random.uniform(0.5, 1, 400)
    correct = random.random(400) < p
    informed, blind = risk_coverage(p, correct, FEW).area, risk_coverage(random.random(400), correct, FEW).area
    assert informed.high < blind.low


def test_no_positive_or_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a positive row"):
        precision_recall_curve(np.zeros(3, bool), np.arange(3.0))
    with pytest.raises(ValueError, match="at least one row"):
        risk_coverage(np.array([]), np.array([], dtype=bool))
