"""AUROC in closed form, against scikit-learn and by simulation of clustered rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assay.metrics.clustered_auroc import clustered_auroc


def test_it_is_scikit_learns_with_ties() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.random(300) < 0.3, random.integers(0, 10, 300).astype(float)
    assert clustered_auroc(truth, scores).auroc.value == pytest.approx(roc_auc_score(truth, scores))


def test_p_values_of_clustered_chance_are_honest() -> None:
    random = np.random.default_rng(1)
    group = np.repeat(np.arange(60), 8)
    naive, clustered = [], []
    for _ in range(200):
        truth = np.repeat(random.random(60) < 0.5, 8)
        scores = np.repeat(random.normal(size=60), 8) + 0.1 * random.normal(size=480)
        naive.append(clustered_auroc(truth, scores).p < 0.05)
        clustered.append(clustered_auroc(truth, scores, group).p < 0.05)
    assert np.mean(clustered) < 0.12
    assert np.mean(naive) > 0.3


def test_perfect_separation_keeps_an_interval_and_one_class_is_refused() -> None:
    found = clustered_auroc(np.array([False] * 20 + [True] * 20), np.arange(40.0))
    assert found.auroc.value == 1
    assert found.auroc.low < 1
    assert found.p < 1e-6
    with pytest.raises(ValueError, match="both classes"):
        clustered_auroc(np.array([True]), np.array([1.0]))
