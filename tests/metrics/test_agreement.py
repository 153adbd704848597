"""Agreement coefficients against the krippendorff package and scikit-learn."""

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from assay.metrics.agreement import cohen_kappa, krippendorff_alpha, label_counts, pairwise_agreement
from assay.metrics.resampling import Resampling

LABELS = ("a", "b", "c", "d")
FEW = Resampling(samples=50)


def items(n: int, seed: int, agreement: float = 0.6) -> list[dict[str, str]]:
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        truth = random.integers(0, 4)
        raters = random.choice(["ann", "bob", "cy", "dee"], size=random.integers(1, 5), replace=False)
        rows.append(
            {str(r): LABELS[truth] if random.random() < agreement else LABELS[random.integers(0, 4)] for r in raters}
        )
    return rows


@given(seed=st.integers(0, 10_000), scale=st.sampled_from(["categorical", "ordinal"]))
@settings(max_examples=25, deadline=None)
def test_alpha_and_every_resample_agree_with_the_package(seed: int, scale: str) -> None:
    rows = items(12, seed)
    assume(any(len(row) > 1 for row in rows))
    several = [row for row in rows if len(row) > 1]
    assume(len({label for row in several for label in row.values()}) > 1)
    resampling = Resampling(samples=1, seed=seed)
    weights = next(resampling.weights(len(several)))[0].astype(int)
    counts = np.repeat(label_counts(several, LABELS), weights, axis=0)
    assume(np.count_nonzero(counts.sum(axis=0)) > 1)
    level = "ordinal" if scale == "ordinal" else "nominal"
    estimate = krippendorff_alpha(rows, LABELS, scale, resampling)  # type: ignore[arg-type]
    package = krippendorff.alpha(value_counts=counts, level_of_measurement=level)
    if estimate.method.startswith("bootstrap"):
        assert estimate.low == estimate.high == pytest.approx(package)
    table = np.array(
        [[LABELS.index(row[r]) if r in row else np.nan for row in rows] for r in ("ann", "bob", "cy", "dee")]
    )
    by_rater = krippendorff.alpha(table, value_domain=range(4), level_of_measurement=level)
    assert estimate.value == pytest.approx(by_rater)


def test_alpha_of_krippendorffs_own_example() -> None:
    ratings = {"a": "*****34121133*3", "b": "1*213343*******", "c": "**21344*21133*4"}
    rows = [{r: given[i] for r, given in ratings.items() if given[i] != "*"} for i in range(15)]
    assert krippendorff_alpha(rows, ("1", "2", "3", "4"), "categorical").value == pytest.approx(0.691, abs=5e-4)
    assert krippendorff_alpha(rows, ("1", "2", "3", "4"), "ordinal").value == pytest.approx(0.807, abs=5e-4)


def test_perfect_agreement_keeps_an_interval() -> None:
    rows = [{"ann": label, "bob": label} for label in "aabb" * 10]
    estimate = krippendorff_alpha(rows, ("a", "b"), "binary", FEW)
    assert estimate.value == estimate.high == 1.0
    assert 0.7 < estimate.low < 0.9
    assert pairwise_agreement(rows, FEW).low < 1


def test_labels_at_random_agree_at_chance() -> None:
    estimate = krippendorff_alpha(items(2000, 3, agreement=0.0), LABELS, "categorical", Resampling(samples=200))
    assert estimate.low < 0 < estimate.high
    assert pairwise_agreement(items(2000, 3, agreement=0.0), FEW).value == pytest.approx(0.25, abs=0.03)


def test_pairwise_agreement_by_hand() -> None:
    rows = [{"ann": "a", "bob": "a", "cy": "b"}, {"ann": "b", "bob": "b"}, {"ann": "c"}]
    estimate = pairwise_agreement(rows, FEW)
    assert estimate.value == 2 / 4
    assert estimate.n == 2


@pytest.mark.parametrize("quadratic", [False, True])
def test_cohens_kappa_is_scikit_learns(quadratic: bool) -> None:
    random = np.random.default_rng(5)
    a = random.choice(LABELS, 100)
    b = np.where(random.random(100) < 0.6, a, random.choice(LABELS, 100))
    ours = cohen_kappa(list(a), list(b), labels=LABELS, quadratic=quadratic, resampling=FEW)
    assert ours.value == pytest.approx(cohen_kappa_score(a, b, weights="quadratic" if quadratic else None))
    assert ours.low < ours.value < ours.high


def test_what_has_no_answer_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="none of 2 has them"):
        krippendorff_alpha([{"ann": "a"}, {}], LABELS, "categorical")
    with pytest.raises(ValueError, match="same one"):
        krippendorff_alpha([{"ann": "a", "bob": "a"}], LABELS, "categorical")
    with pytest.raises(ValueError, match="'z' is not one of"):
        krippendorff_alpha([{"ann": "a", "bob": "z"}], LABELS, "categorical")
    with pytest.raises(ValueError, match="one label at a time"):
        krippendorff_alpha([{"ann": "a", "bob": "b"}], LABELS, "multi-label")
    with pytest.raises(ValueError, match="do not match"):
        cohen_kappa(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="undefined"):
        cohen_kappa(["a", "a"], ["a", "a"])
    with pytest.raises(ValueError, match="at least one row"):
        cohen_kappa([], [])
