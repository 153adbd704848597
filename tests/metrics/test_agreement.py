"""Agreement coefficients against the krippendorff package and scikit-learn."""

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_fleiss

from assay.metrics.agreement import (
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    label_counts,
    pairwise_agreement,
)

LABELS = ("a", "b", "c", "d")


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


def full_items(n: int, seed: int) -> list[dict[str, str]]:
    random = np.random.default_rng(seed)
    return [{r: LABELS[(i + (random.random() < 0.4)) % 4] for r in ("ann", "bob", "cy")} for i in range(n)]


@given(seed=st.integers(0, 10_000), scale=st.sampled_from(["categorical", "ordinal"]))
@settings(max_examples=25, deadline=None)
def test_alpha_agrees_with_the_package_by_labeller(seed: int, scale: str) -> None:
    rows = items(12, seed)
    several = [row for row in rows if len(row) > 1]
    assume(len({label for row in several for label in row.values()}) > 1)
    level = "ordinal" if scale == "ordinal" else "nominal"
    estimate = krippendorff_alpha(rows, LABELS, scale)  # type: ignore[arg-type]
    table = np.array(
        [[LABELS.index(row[r]) if r in row else np.nan for row in rows] for r in ("ann", "bob", "cy", "dee")]
    )
    by_rater = krippendorff.alpha(table, value_domain=range(4), level_of_measurement=level)
    assert estimate.value == pytest.approx(by_rater, abs=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_fleiss_kappa_is_statsmodels(seed: int) -> None:
    rows = full_items(15, seed)
    assume(len({label for row in rows for label in row.values()}) > 1)
    assert fleiss_kappa(rows, LABELS).value == pytest.approx(statsmodels_fleiss(label_counts(rows, LABELS)), abs=1e-9)


def test_gwets_ac1_by_hand() -> None:
    # 4 items, 3 agree: p = 3/4; shares of a: (1 + 1 + 0 + 1/2)/4 = 5/8; chance 2 * 5/8 * 3/8 / (2 - 1) = 15/32
    rows = [{"x": "a", "y": "a"}, {"x": "a", "y": "a"}, {"x": "b", "y": "b"}, {"x": "a", "y": "b"}]
    assert gwet_ac1(rows, ("a", "b")).value == pytest.approx((3 / 4 - 15 / 32) / (1 - 15 / 32))


def test_ac1_stays_high_where_nearly_all_labels_are_the_same_and_kappa_falls() -> None:
    rows = [{"x": "a", "y": "a"}] * 96 + [{"x": "a", "y": "b"}] * 2 + [{"x": "b", "y": "a"}] * 2
    assert gwet_ac1(rows, ("a", "b")).value > 0.95
    assert fleiss_kappa(rows, ("a", "b")).value < 0


def test_alpha_of_krippendorffs_own_example() -> None:
    ratings = {"a": "*****34121133*3", "b": "1*213343*******", "c": "**21344*21133*4"}
    rows = [{r: given[i] for r, given in ratings.items() if given[i] != "*"} for i in range(15)]
    assert krippendorff_alpha(rows, ("1", "2", "3", "4"), "categorical").value == pytest.approx(0.691, abs=5e-4)
    assert krippendorff_alpha(rows, ("1", "2", "3", "4"), "ordinal").value == pytest.approx(0.807, abs=5e-4)


def test_perfect_agreement_keeps_an_interval() -> None:
    rows = [{"ann": label, "bob": label} for label in "aabb" * 10]
    estimate = krippendorff_alpha(rows, ("a", "b"), "binary")
    assert estimate.value == estimate.high == 1.0
    assert 0.7 < estimate.low < 0.9
    assert pairwise_agreement(rows).low < 1


def test_labels_at_random_agree_at_chance() -> None:
    estimate = krippendorff_alpha(items(2000, 3, agreement=0.0), LABELS, "categorical")
    assert estimate.low < 0 < estimate.high
    assert pairwise_agreement(items(2000, 3, agreement=0.0)).value == pytest.approx(0.25, abs=0.03)


def test_pairwise_agreement_by_hand() -> None:
    rows = [{"ann": "a", "bob": "a", "cy": "b"}, {"ann": "b", "bob": "b"}, {"ann": "c"}]
    estimate = pairwise_agreement(rows)
    assert estimate.value == 2 / 4
    assert estimate.n == 2


@pytest.mark.parametrize("quadratic", [False, True])
def test_cohens_kappa_is_scikit_learns(quadratic: bool) -> None:
    random = np.random.default_rng(5)
    a = random.choice(LABELS, 100)
    b = np.where(random.random(100) < 0.6, a, random.choice(LABELS, 100))
    ours = cohen_kappa(list(a), list(b), labels=LABELS, quadratic=quadratic)
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
