"""The table of contrast sets."""

from dataclasses import replace

import pytest

from assay.schema.errors import ConflictError, InputError, NotFoundError
from assay.store import contrast_sets
from assay.store.contrast_sets import ContrastSet

PAIRS = ContrastSet(
    name="pairs",
    criterion="advice",
    rows_blob="0" * 64,
    rows=4,
    by_label={"no": 2, "yes": 2},
    created_at="2026-01-01T00:00:00.000000+00:00",
)


def test_a_set_is_kept_as_it_was_registered(database):
    with database.begin() as connection:
        contrast_sets.add(connection, PAIRS)
        contrast_sets.add(connection, replace(PAIRS, created_at="2027-01-01T00:00:00.000000+00:00"))
        contrast_sets.add(connection, replace(PAIRS, name="others", criterion="tone"))
    with database.read() as connection:
        assert contrast_sets.get(connection, "pairs") == PAIRS
        assert contrast_sets.of_criterion(connection, "advice") == (PAIRS,)
        assert contrast_sets.of_criterion(connection, "nothing") == ()


def test_a_name_stands_for_one_set_of_rows(database):
    with database.begin() as connection:
        contrast_sets.add(connection, PAIRS)
    with pytest.raises(ConflictError, match="a fixed set does not change"), database.begin() as connection:
        contrast_sets.add(connection, replace(PAIRS, rows_blob="1" * 64))
    with pytest.raises(InputError, match="contrast set's name"), database.begin() as connection:
        contrast_sets.add(connection, replace(PAIRS, name=""))
    with database.read() as connection:
        assert contrast_sets.get(connection, "pairs") == PAIRS
        with pytest.raises(NotFoundError, match="no contrast set 'pears'") as refusal:
            contrast_sets.get(connection, "pears")
    assert "pairs" in refusal.value.required
