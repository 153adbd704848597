"""Agreement of experts with what texts were made for; expectations by hand or by simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from assay.datasets.augmentation.acceptance import (
    Agreed,
    answers_needed,
    chance_corrected,
    confidence_of,
    share_agreed,
)
from assay.datasets.augmentation.sampling import drawn
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.label import Target
from assay.store.augmentations import Derivative


def derivative(number, label="bad", *, draw=1, state="made", kind="flip"):
    return Derivative(
        id=f"a{number:03}", kind=kind, position=number, label=label, parents=("p",), state=state, draw=draw
    )


def target(value):
    return Target(value=value, source="expert", votes={value: 1}, agreement=1.0)


def counted(agreed, sampled):
    return Agreed(sampled=sampled, agreed=agreed, tied=0, unanswered=0, pending=0, pairs=())


def criterion_of(kind="binary"):
    levels = (Level(label="good"), Level(label="bad"))
    scale = Scale(kind=kind, levels=levels, positive="bad" if kind == "binary" else None)
    return Criterion(name="c", version="1", question="?", reads=("output",), scale=scale)


def test_ties_and_what_a_closed_queue_left_count_against():
    sample = [derivative(1), derivative(2), derivative(3), derivative(4), derivative(5, draw=2)]
    targets = {"a001": target("bad"), "a002": target("good"), "a003": None}
    found = Agreed.of(sample, targets, closed={1})
    assert (found.sampled, found.agreed, found.tied, found.unanswered, found.pending) == (5, 1, 1, 1, 1)
    assert found.pairs == (("bad", "bad"), ("bad", "good"))


def test_the_bound_is_the_exact_binomial_one():
    estimate = share_agreed(counted(20, 20), 1)
    assert estimate.low == pytest.approx(0.025 ** (1 / 20))  # P(20 of 20 | p) = p^20
    assert share_agreed(counted(20, 20), 2).low == pytest.approx(0.0125 ** (1 / 20))
    assert (estimate.value, estimate.high) == (1.0, 1.0)


def test_ac1_by_hand():
    pairs = (("bad", "bad"),) * 9 + (("bad", "good"),)
    found = Agreed(sampled=10, agreed=9, tied=0, unanswered=0, pending=0, pairs=pairs)
    estimate = chance_corrected(found, criterion_of())
    chance = 2 * 0.95 * 0.05  # bad is 19 of the 20 answers
    assert estimate.value == pytest.approx((0.9 - chance) / (1 - chance))
    assert chance_corrected(found, criterion_of("ordinal")) is None
    assert chance_corrected(counted(0, 3), criterion_of()) is None


def test_what_could_pass():
    best, same = answers_needed(counted(5, 5), 0.6, 1)
    assert best == 4  # at the second look 0.0125^(1/9) = 0.615 and 0.0125^(1/8) = 0.578
    assert same == 4
    best, same = answers_needed(counted(45, 50), 0.8, 1)
    assert (
        share_agreed(counted(45 + best, 50 + best), 2).low >= 0.8 > share_agreed(counted(44 + best, 49 + best), 2).low
    )
    assert same > best
    assert answers_needed(counted(35, 50), 0.8, 1)[1] is None  # as often as until now is under the floor
    assert answers_needed(counted(0, 50), 0.8, 1)[1] is None


def test_two_looks_keep_a_bad_kind_with_a_probability_of_at_most_a_twentieth():
    floor, n = 0.8, 50
    first = [k for k in range(n + 1) if share_agreed(counted(k, n), 1).low >= floor]
    by_both = [k for k in range(2 * n + 1) if share_agreed(counted(k, 2 * n), 2).low >= floor]
    kept_first = binom.sf(min(first) - 1, n, floor)
    kept_second = sum(binom.pmf(k, n, floor) * binom.sf(min(by_both) - k - 1, n, floor) for k in range(min(first)))
    assert kept_first <= 0.025
    assert 0 < kept_first + kept_second <= 0.05
    assert confidence_of(1) == 0.95


def test_a_sample_is_random_repeatable_and_without_repeats():
    every = [derivative(n, draw=0) for n in range(100)] + [derivative(200, draw=0, state="copy")]
    sample = drawn(every, "r", "flip", 20, 1)
    assert [one.id for one in drawn(list(reversed(every)), "r", "flip", 20, 1)] == [one.id for one in sample]
    assert len({one.id for one in sample}) == 20
    taken = {one.id for one in sample}
    after = [derivative(one.position, draw=1) if one.id in taken else one for one in every]
    assert drawn(after, "r", "flip", 20, 1) == [one for one in after if one.draw == 1]
    second = drawn(after, "r", "flip", 500, 2)
    assert len(second) == 80
    assert not taken & {one.id for one in second}
    places = [one.position for number in range(400) for one in drawn(every, f"r{number}", "flip", 20, 1)]
    counts = np.bincount(places, minlength=100)
    assert abs(counts - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)
