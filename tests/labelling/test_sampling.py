"""Drawing with known probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.labelling.sampling import draw, inclusion_probabilities, overlapping, uniform_part

SCORES = np.array([0.0, 0.1, 0.1, 0.4, 0.9, 0.9, 0.2, 0.0, 0.3, 0.1])


def test_the_uniform_share_and_the_scores_add_up_by_hand():
    # n = 2 of 4, half uniform: 2 · (½ · ¼ + ½ · s/4) for s = 0, 0, 1, 3 → 0.25, 0.25, 0.5, 1.0: the last is certain,
    # the others share the one that is left in proportion 0.25 : 0.25 : 0.5
    found = inclusion_probabilities(np.array([0.0, 0.0, 1.0, 3.0]), 2, 0.5)
    assert found == pytest.approx([0.25, 0.25, 0.5, 1.0])


def test_without_scores_everything_is_as_likely():
    assert inclusion_probabilities(np.zeros(8), 2, 0.25) == pytest.approx([0.25] * 8)
    assert inclusion_probabilities(np.ones(3), 3, 1.0) == pytest.approx([1.0] * 3)


@given(
    scores=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    share=st.floats(0.05, 1.0),
    of_all=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
@settings(max_examples=80, deadline=None)
def test_whatever_the_scores_so_many_are_drawn_each_once(scores, share, of_all, seed):
    n = max(1, int(of_all * len(scores)))
    found = inclusion_probabilities(np.array(scores), n, share)
    assert found.sum() == pytest.approx(n)
    assert np.all(found <= 1 + 1e-12)
    assert np.all(found >= min(1.0, share * n / len(scores)) - 1e-9)
    drawn = draw(found, seed)
    assert len(drawn) == len(set(drawn.tolist())) == n


def test_rows_are_drawn_as_often_as_they_should_be():
    wanted = inclusion_probabilities(SCORES, 4, 0.25)
    times = 4000
    counts = np.zeros(len(SCORES))
    for seed in range(times):
        counts[draw(wanted, seed)] += 1
    errors = (counts / times - wanted) / np.sqrt(np.maximum(wanted * (1 - wanted), 1e-12) / times)
    assert np.all(np.abs(errors[wanted < 1]) < 4)
    assert np.all(counts[wanted >= 1] == times)


def test_weighted_by_the_inverse_the_share_of_the_pool_comes_out():
    random = np.random.default_rng(3)
    scores = random.random(400) ** 3
    truth = (random.random(400) < scores).astype(float)  # what is uncertain is positive: the naive share is far off
    wanted = inclusion_probabilities(scores, 40, 0.25)
    naive, weighted = [], []
    for seed in range(600):
        drawn = draw(wanted, seed)
        naive.append(truth[drawn].mean())
        weighted.append((truth[drawn] / wanted[drawn]).sum() / 400)
    assert abs(np.mean(weighted) - truth.mean()) < 4 * np.std(weighted) / np.sqrt(600)
    assert np.mean(naive) - truth.mean() > 0.15


def test_the_uniform_part_is_a_uniform_sample():
    wanted = inclusion_probabilities(SCORES, 4, 0.5)
    counts = np.zeros(len(SCORES))
    for seed in range(4000):
        drawn = draw(wanted, seed)
        counts[drawn[uniform_part(wanted[drawn], len(SCORES), 0.5, seed + 10**6)]] += 1
    expected = 0.5 * 4 / len(SCORES)
    assert np.all(np.abs(counts / 4000 - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000))


def test_strata_get_their_share_in_every_draw():
    strata = [0] * 30 + [1] * 70
    for seed in range(20):
        drawn = draw(np.full(100, 0.1), seed, strata)
        assert np.sum(drawn < 30) == 3


def test_overlap_is_so_many_and_not_the_first_ones():
    assert overlapping(10, 0.25, 1).sum() == 3
    assert overlapping(10, 0.0, 1).sum() == 0
    assert not np.array_equal(overlapping(100, 0.5, 1), overlapping(100, 0.5, 2))


@pytest.mark.parametrize(("n", "share"), [(0, 0.5), (5, 0.5), (2, 0.0), (2, 1.5)])
def test_what_cannot_be_drawn_is_refused(n, share):
    with pytest.raises(ValueError, match=r"cannot be drawn|must lie"):
        inclusion_probabilities(np.ones(4), n, share)


def test_scores_that_are_no_scores_are_refused():
    for bad in ([1.0, np.nan], [1.0, -1.0]):
        with pytest.raises(ValueError, match="finite"):
            inclusion_probabilities(np.array(bad), 1, 0.5)
    with pytest.raises(ValueError, match="whole number"):
        draw(np.array([0.3, 0.3]), 0)
