"""Splits: components, shares, and independence of the order of rows."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.datasets.splits import DEFAULT_SHARES, Placed, assign_splits, check_shares, components
from assay.schema.errors import InputError


def rows_of(sizes_and_strata):
    """One component for each (size, stratum); ids follow from the position."""
    return [
        Placed(id=f"c{number:04}-{row}", component=f"c{number:04}-0", stratum=stratum)
        for number, (size, stratum) in enumerate(sizes_and_strata)
        for row in range(size)
    ]


def counted(rows, placed):
    return Counter((placed[row.component], row.stratum) for row in rows)


def test_groups_and_pairs_are_tied_over_any_distance():
    ids = ["e", "d", "c", "b", "a", "z"]
    groups = [["g1"], ["g1", "g2"], ["g2"], [], [], []]
    assert components(ids, groups, [(2, 3), (3, 4)]) == ["a", "a", "a", "a", "a", "z"]
    assert components([], [], []) == []


@pytest.mark.parametrize("seed", range(5))
def test_single_rows_meet_the_shares_of_each_class(seed):
    rows = rows_of([(1, "yes")] * 200 + [(1, "no")] * 1000)
    found = counted(rows, assign_splits(rows, DEFAULT_SHARES, seed))
    for split, share in DEFAULT_SHARES.items():
        assert abs(found[split, "yes"] - 200 * share) <= 1
        assert abs(found[split, "no"] - 1000 * share) <= 1


def test_the_seed_moves_rows_and_equal_seeds_do_not():
    rows = rows_of([(1, "yes")] * 100)
    first = assign_splits(rows, DEFAULT_SHARES, 0)
    assert first == assign_splits(rows, DEFAULT_SHARES, 0)
    moved = sum(first[name] != split for name, split in assign_splits(rows, DEFAULT_SHARES, 1).items())
    assert moved > 30  # of 100; about 63 by chance


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["yes", "no", "maybe"])), min_size=120, max_size=240),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_no_order_changes_anything_and_shares_are_near(sizes, seed, random):
    rows = rows_of(sizes)
    placed = assign_splits(rows, DEFAULT_SHARES, seed)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert assign_splits(shuffled, DEFAULT_SHARES, seed) == placed
    assert set(placed) == {row.component for row in rows}
    totals, found = Counter(row.stratum for row in rows), counted(rows, placed)
    for split, share in DEFAULT_SHARES.items():
        for stratum, total in totals.items():
            assert abs(found[split, stratum] - share * total) <= 6  # one component at most


def test_components_of_several_classes_still_meet_the_shares():
    rows = [
        Placed(id=f"{number:04}-{row}", component=f"{number:04}-0", stratum="yes" if row < number % 4 else "no")
        for number in range(300)
        for row in range(4)
    ]
    found, totals = counted(rows, assign_splits(rows, DEFAULT_SHARES, 0)), Counter(row.stratum for row in rows)
    for split, share in DEFAULT_SHARES.items():
        for stratum, total in totals.items():
            assert abs(found[split, stratum] - share * total) <= 4


@pytest.mark.parametrize(
    "shares",
    [
        {"train": 0.5, "dev": 0.5},
        {"train": 0.7, "dev": 0.1, "calibration": 0.1, "test": 0.2},
        {"train": 0.8, "dev": 0.0, "calibration": 0.1, "test": 0.1},
        {"train": 1.2, "dev": -0.4, "calibration": 0.1, "test": 0.1},
        {"train": 0.4, "dev": 0.1, "calibration": 0.1, "test": 0.2, "production": 0.2},
    ],
)
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(InputError, match="do not add up"):
        check_shares(shares)
