"""Measures over several labels against scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sk

from assay.metrics.multiclass import multiclass_metrics
from assay.metrics.resampling import Resampling

LABELS = ("low", "middle", "high")
FEW = Resampling(samples=100)


def rows(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, n)
    predicted = np.clip(truth + random.choice([-1, 0, 0, 0, 1], n), 0, 2)
    return truth, predicted


def test_values_are_scikit_learns() -> None:
    truth, predicted = rows()
    measured = multiclass_metrics(truth, predicted, LABELS, ordinal=True, resampling=FEW)
    assert measured.accuracy.value == pytest.approx(sk.accuracy_score(truth, predicted))
    assert measured.macro_f1.value == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert measured.kappa is not None
    assert measured.kappa.value == pytest.approx(sk.cohen_kappa_score(truth, predicted))
    assert measured.weighted_kappa is not None
    assert measured.weighted_kappa.value == pytest.approx(sk.cohen_kappa_score(truth, predicted, weights="quadratic"))
    assert measured.mean_absolute_error is not None
    assert measured.mean_absolute_error.value == pytest.approx(np.abs(truth - predicted).mean())
    assert np.array_equal(measured.confusion, sk.confusion_matrix(truth, predicted))
    recalls = sk.recall_score(truth, predicted, average=None)
    assert [measured.per_label[label]["recall"].value for label in LABELS] == pytest.approx(recalls)  # type: ignore[union-attr]


def test_a_categorical_scale_has_no_distance_between_labels() -> None:
    measured = multiclass_metrics(*rows(), LABELS, resampling=FEW)
    assert measured.weighted_kappa is None
    assert measured.mean_absolute_error is None


def test_a_label_that_never_occurs_has_no_measures_and_does_not_enter_the_mean() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    measured = multiclass_metrics(truth, predicted, LABELS, resampling=FEW)
    assert set(measured.per_label["high"].values()) == {None}
    assert measured.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_one_answer_throughout_leaves_kappa_undefined() -> None:
    measured = multiclass_metrics(np.zeros(5, int), np.zeros(5, int), LABELS, resampling=FEW)
    assert measured.kappa is None
    assert measured.accuracy.value == 1.0


def test_groups_widen_the_interval() -> None:
    truth, predicted = (np.repeat(side, 4) for side in rows(50))
    alone = multiclass_metrics(truth, predicted, LABELS, resampling=FEW).accuracy
    grouped = Resampling(groups=np.repeat(np.arange(50), 4), samples=300)
    clustered = multiclass_metrics(truth, predicted, LABELS, resampling=grouped).accuracy
    assert clustered.high - clustered.low > 1.5 * (alone.high - alone.low)


def test_bad_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="0 … 2"):
        multiclass_metrics(np.array([3]), np.array([0]), LABELS)
    with pytest.raises(ValueError, match="one length"):
        multiclass_metrics(np.array([1]), np.array([0, 1]), LABELS)
    with pytest.raises(ValueError, match="at least 1"):
        multiclass_metrics(np.array([]), np.array([]), LABELS)
