"""The jackknife intervals of agreement: do they hold the true value as often as they say?"""

import numpy as np
import pytest

from assay.metrics.agreement import gwet_ac1, krippendorff_alpha
from assay.metrics.agreement_intervals import jackknife

LABELS = ("a", "b")


def simulated(n: int, random: np.random.Generator, prevalence: float, accuracy: float) -> list[dict[str, str]]:
    truth = random.random(n) < prevalence
    return [{r: LABELS[int(t if random.random() < accuracy else random.random() < 0.5)] for r in "xy"} for t in truth]


@pytest.mark.parametrize(("prevalence", "accuracy"), [(0.5, 0.8), (0.15, 0.9)])
def test_coverage_is_about_95_per_cent(prevalence: float, accuracy: float) -> None:
    random = np.random.default_rng(1)
    big = simulated(60_000, random, prevalence, accuracy)
    for measure in (lambda rows: krippendorff_alpha(rows, LABELS, "binary"), lambda rows: gwet_ac1(rows, LABELS)):
        true = measure(big).value
        found = [measure(simulated(80, random, prevalence, accuracy)) for _ in range(400)]
        covered = np.mean([one.low <= true <= one.high for one in found])
        assert 0.925 <= covered <= 0.985  # 0.95 ± 3 standard errors of 400 draws


def test_rows_of_one_group_are_left_out_together() -> None:
    parts = np.column_stack([[1.0, 1, 0, 0] * 15, np.ones(60)])

    def mean(sums: np.ndarray) -> np.ndarray:
        return sums[:, 0] / sums[:, 1]

    single = jackknife(mean, parts, units=60, lowest=0.0)
    pairs = jackknife(mean, parts, units=60, lowest=0.0, groups=np.repeat(np.arange(30), 2))
    assert single.value == pairs.value == 0.5
    assert pairs.high - pairs.low == pytest.approx((single.high - single.low) * np.sqrt(2), rel=0.05)
    assert pairs.method == "jackknife over groups"


def test_what_is_undefined_is_refused() -> None:
    with pytest.raises(ValueError, match="undefined on these 3 items"):
        jackknife(lambda sums: np.full(len(sums), np.nan), np.ones((3, 1)), units=3)
