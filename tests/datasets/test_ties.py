"""Tied rows: left to adjudication, or kept in train for soft targets; never held out, and in the digest."""

from dataclasses import replace

import numpy as np
import pytest

from assay.datasets.audit.table import AuditTable
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows, rows_of, tied_rows_of
from assay.datasets.minimums import FreezeSettings
from assay.datasets.soft_targets import hard_targets, soft_targets, uncertain
from assay.schema.errors import InputError

SETTINGS = FreezeSettings(accept_labels=("crowd",), min_test_per_class=1)


@pytest.fixture
def torn(make_row, make_label):
    """120 rows that two people labelled: every sixth is tied; three of five people on every seventh of the others."""

    def both(number):
        value, other = ("yes", "no") if number % 2 else ("no", "yes")
        example, _ = make_row(number, value)
        said = [value, other] if number % 6 == 0 else [value, value, other] if number % 7 == 0 else [value, value]
        labels = [make_label(v, name, "crowd", example_id=example.id) for v, name in zip(said, "abc", strict=False)]
        return example, tuple(labels)

    return [both(number) for number in range(120)]


def test_ties_are_left_out_unless_asked_for(sqlite, blobs, criterion, fill, torn):
    fill(sqlite, torn)
    frozen = freeze(sqlite, blobs, criterion, SETTINGS)
    assert (frozen.tied, frozen.dropped["tied labels"]) == (0, 20)
    assert "ties" not in frozen.settings
    assert len(load_rows(blobs, frozen, tied=True)) == len(load_rows(blobs, frozen)) == 100


def test_kept_ties_are_in_train_alone_and_in_the_digest(sqlite, blobs, criterion, fill, torn):
    fill(sqlite, torn)
    plain, kept = (freeze(sqlite, blobs, criterion, replace(SETTINGS, ties=ties)) for ties in ("out", "train"))
    assert plain.digest != kept.digest
    assert kept.tied == 20
    assert kept.counts == plain.counts
    assert kept.settings["ties"] == "train"
    rows = load_rows(blobs, kept, tied=True)
    assert {row.split for row in tied_rows_of(rows)} == {"train"}
    assert [row.example.id for row in load_rows(blobs, kept)] == [row.example.id for row in load_rows(blobs, plain)]
    assert all(row.target.decided for split in ("train", "test") for row in rows_of(rows, split))
    assert AuditTable.of_frozen(rows, criterion).undecided == 20
    assert freeze(sqlite, blobs, criterion, replace(SETTINGS, ties="train")).id == kept.id


def test_a_tie_that_belongs_with_a_row_held_out_is_no_training_row(sqlite, blobs, criterion, fill, torn):
    tied = {f"e{number:05}" for number in range(0, 120, 6)}
    grouped = [
        (replace(example, group=f"g{number - number % 6}" if number % 6 < 2 else None), labels)
        for number, (example, labels) in enumerate(torn)
    ]
    fill(sqlite, grouped)  # each tied row shares its group with the row behind it
    frozen = freeze(sqlite, blobs, criterion, replace(SETTINGS, ties="train"))
    rows = load_rows(blobs, frozen, tied=True)
    kept = {row.example.id for row in tied_rows_of(rows)}
    taught = {row.component for row in rows_of(rows, "train")}
    assert 0 < len(kept) < 20
    assert kept == {one for one in tied if one in taught}  # a component is named by its smallest id, here the tied one
    assert frozen.dropped["tied labels, belongs with a row held out"] == 20 - len(kept)


def test_soft_targets_are_the_shares_of_the_votes(sqlite, blobs, criterion, fill, torn):
    fill(sqlite, torn)
    frozen = freeze(sqlite, blobs, criterion, replace(SETTINGS, ties="train"))
    rows = load_rows(blobs, frozen, tied=True)
    table = soft_targets(rows, criterion)  # columns: yes, no
    by_id = dict(zip([row.example.id for row in rows], table.tolist(), strict=True))
    assert by_id["e00006"] == [0.5, 0.5]
    assert by_id["e00007"] == pytest.approx([2 / 3, 1 / 3])
    assert by_id["e00014"] == pytest.approx([1 / 3, 2 / 3])
    assert by_id["e00008"] == [0.0, 1.0]
    assert np.flatnonzero(uncertain(table)).size == 20 + sum(n % 6 != 0 and n % 7 == 0 for n in range(120))
    with pytest.raises(InputError):
        hard_targets(rows, criterion)


def test_the_weighted_consensus_keeps_the_probabilities_of_what_it_leaves_open(
    sqlite, blobs, criterion, fill, make_row, make_label
):
    """Two good labellers who rarely differ: where they do, neither is believed."""
    rows = []
    for number in range(200):
        example, _ = make_row(number, "yes" if number % 2 else "no")
        value = "yes" if number % 2 else "no"
        said = (value, {"yes": "no", "no": "yes"}[value] if number % 20 < 2 else value)
        rows.append(
            (example, tuple(make_label(v, n, "crowd", example_id=example.id) for v, n in zip(said, "ab", strict=True)))
        )
    fill(sqlite, rows)
    frozen = freeze(sqlite, blobs, criterion, replace(SETTINGS, consensus="weighted", ties="train"))
    tied = tied_rows_of(load_rows(blobs, frozen, tied=True))
    assert len(tied) == frozen.tied > 0
    for row in tied:
        assert sum(row.target.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(row.target.probabilities.values()) < 0.6


def test_an_unknown_way_with_ties_is_refused():
    with pytest.raises(InputError, match="no such way with ties"):
        FreezeSettings(ties="dev")
