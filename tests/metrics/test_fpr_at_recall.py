"""False positives at a fixed recall: by hand, and against every threshold there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.metrics.ranking import fpr_at_recall_of

TRUTH = np.array([1, 0, 1, 0, 0, 1])
SCORES = np.array([0.9, 0.8, 0.7, 0.7, 0.2, 0.1])


def at(recall, truth=TRUTH, scores=SCORES, weights=None):
    weights = np.ones((1, len(truth))) if weights is None else weights
    return fpr_at_recall_of(weights, truth, scores, recall).tolist()


@pytest.mark.parametrize(
    ("recall", "rate"),
    [
        (0.0, 0.0),
        (1 / 3, 0.0),  # the first row alone
        (1 / 2, 1 / 2),  # half of the step at 0.7: one false alarm before it, half of another
        (2 / 3, 2 / 3),  # the whole step
        (1.0, 1.0),
    ],
)
def test_by_hand(recall, rate):
    assert at(recall) == pytest.approx([rate])


def test_weights_are_rows_that_occur_more_than_once():
    weights = np.array([[1.0, 1, 1, 1, 1, 1], [2.0, 0, 1, 1, 1, 0]])
    # second resample: two positives at 0.9, one at 0.7 with a negative; another negative at 0.2
    assert at(np.array([2 / 3, 1.0]), weights=weights) == pytest.approx([2 / 3, 1 / 2])


def test_one_class_has_no_rate():
    assert np.isnan(at(0.5, truth=np.ones(6)))
    assert np.isnan(at(0.5, truth=np.zeros(6)))
    assert np.isnan(at(np.array([np.nan]), truth=np.zeros(6)))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=12), st.floats(0.01, 1.0))
def test_no_threshold_that_finds_enough_does_better(rows, recall):
    truth = np.array([one for one, _ in rows], dtype=float)
    scores = np.array([score for _, score in rows], dtype=float)
    if truth.min() == truth.max():
        return
    (rate,) = at(recall, truth, scores)
    better = [
        scores[truth == 0] >= cut for cut in np.unique(scores) if (scores[truth == 1] >= cut).mean() >= recall - 1e-12
    ]
    worse = [
        scores[truth == 0] >= cut for cut in np.unique(scores) if (scores[truth == 1] >= cut).mean() < recall - 1e-12
    ]
    assert rate <= min(float(called.mean()) for called in better) + 1e-9
    assert rate >= max((float(called.mean()) for called in worse), default=0.0) - 1e-9
