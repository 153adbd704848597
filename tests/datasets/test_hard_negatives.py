"""What is mined, from arrays made by hand; and laws that hold for any pool."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.datasets.hard_negatives.mining import MiningSettings, PoolRows, mine
from assay.datasets.hard_negatives.neighbours import CHUNK_ROWS, nearness
from assay.datasets.hard_negatives.spread import shares_of, spread
from assay.datasets.hard_negatives.views import View

NAN = np.nan
WORDS = ("alder", "birch", "cedar", "damson", "elm", "fir", "gorse", "hazel", "ivy", "juniper", "larch", "maple")


def at(*angles: float) -> np.ndarray:
    """Unit vectors at these angles, in degrees."""
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def view(*chances: float) -> View:
    """Somebody who calls positive from 0.5 on, and says nothing where NaN stands."""
    positive = np.array(chances)
    return View(positive=positive, says=np.where(np.isnan(positive), -1, positive >= 0.5).astype(int))


def pool_of(angles, judge=None, teacher=None, texts=None, **more) -> PoolRows:
    n = len(angles)
    return PoolRows(
        texts=texts or [f"{WORDS[place % 12]} {place}" * 4 for place in range(n)],
        vectors=at(*angles),
        positives=at(0),
        judge=view(*judge) if judge else View.silent(n),
        teacher=view(*teacher) if teacher else View.silent(n),
        **more,
    )


def places(mined, reason=None):
    return [row.place for row in mined.rows if reason in (None, row.reason)]


def test_nearness_is_the_mean_of_the_nearest_cosines():
    near, nearest = nearness(at(0, 90), at(0, 60, 180), 2)
    assert near == pytest.approx([0.75, (np.sqrt(3) / 2 + 0) / 2])  # 1 and ½; cos 30° and cos 90°
    assert nearest.tolist() == [0, 1]
    assert nearness(at(60), at(0), 5)[0] == pytest.approx([0.5])  # fewer positives than neighbours
    with pytest.raises(ValueError, match="no positive row"):
        nearness(at(0), np.empty((0, 2)), 5)


def test_nearness_does_not_depend_on_the_chunks():
    random = np.random.default_rng(0)
    pool = at(*random.uniform(0, 360, CHUNK_ROWS + 7))
    positives = at(*random.uniform(0, 360, 9))
    near, nearest = nearness(pool, positives, 3)
    cosines = pool @ positives.T
    assert near == pytest.approx(np.sort(cosines, axis=1)[:, -3:].mean(axis=1))
    assert nearest.tolist() == cosines.argmax(axis=1).tolist()


def test_spread_takes_an_unlike_row_before_a_copy_of_the_hardest():
    vectors = at(0, 1, 90)
    assert spread(np.array([1.0, 0.9, 0.3]), vectors, 2) == [0, 2]
    assert spread(np.array([1.0, 0.9, 0.3]), vectors, 2, balance=1.0) == [0, 1]
    assert spread(np.array([1.0, 0.9, 0.3]), vectors, 1, taken=at(0)) == [2]
    assert spread(np.array([1.0, 0.5]), at(0, 0), 9) == [0, 1]
    assert spread(np.array([]), np.empty((0, 2)), 3) == []


@given(st.integers(0, 50), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_shares_use_all_that_is_there(wanted, available):
    shares = shares_of(wanted, available)
    assert sum(shares) == min(wanted, sum(available))
    assert all(0 <= share <= there for share, there in zip(shares, available, strict=True))


def test_each_reason_by_hand():
    judge = (0.9, 0.1, 0.8, 0.7, 0.2, 0.1)
    teacher = (0.0, 1.0, NAN, 1.0, NAN, 0.0)
    mined = mine(pool_of((80, 85, 88, 5, 10, 70), judge, teacher), wanted=6)
    assert mined.candidates == {"disagreement": 2, "flagged": 1, "neighbour": 3}
    assert places(mined, "disagreement") == [0, 1]  # of equal hardness the first; the other one fills the share
    assert places(mined, "flagged") == [2]  # flagged, and no teacher to say anything
    # 3 is near, but judge and teacher both hold it for positive; 0 is negative to the teacher and is taken already
    assert sorted(places(mined, "neighbour")) == [4, 5]
    hard = {row.place: row.hardness for row in mined.rows}
    assert hard[0] == pytest.approx(0.9)
    assert hard[2] == pytest.approx(0.8)
    assert hard[4] == pytest.approx((np.cos(np.radians(10)) + 1) / 2)


def test_without_a_judge_and_a_teacher_the_nearest_rows_are_mined():
    mined = mine(pool_of((90, 10, 60, 170)), wanted=2, settings=MiningSettings(balance=1.0))
    assert places(mined) == [1, 2]
    assert {row.reason for row in mined.rows} == {"neighbour"}
    assert [row.nearness for row in mined.rows] == pytest.approx([np.cos(np.radians(10)), 0.5])


def test_copies_of_labelled_rows_and_of_one_another_are_left_out():
    texts = [
        "how do i kill a process that hangs",
        "how do i kill a process that hangs?",
        "where can i buy a good kitchen knife",
        "please book me a table for two tonight",
    ]
    mined = mine(pool_of((0, 5, 10, 15), texts=texts, known=["where can i buy a good kitchen knife."]), wanted=4)
    assert sorted(places(mined)) == [0, 3]
    assert mined.copies == 2


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(0, 20), st.integers(0, 10_000))
def test_laws_of_mining(n, wanted, seed):
    random = np.random.default_rng(seed)
    chance = np.where(random.random((2, n)) < 0.3, NAN, random.random((2, n)))
    rows = pool_of(random.uniform(0, 360, n).tolist(), chance[0].tolist(), chance[1].tolist())
    mined = mine(rows, wanted)
    taken = places(mined)
    assert len(taken) == len(set(taken)) <= wanted
    assert Counter(row.reason for row in mined.rows) <= Counter(mined.candidates)
    assert places(mine(rows, wanted)) == taken
    for row in mined.rows:
        assert 0 <= row.hardness <= 1
        if row.reason == "flagged":
            assert rows.judge.says[row.place] == 1
            assert rows.teacher.says[row.place] == -1
        if row.reason == "disagreement":
            assert {int(rows.judge.says[row.place]), int(rows.teacher.says[row.place])} == {0, 1}
