"""Weighted consensus, soft targets, and a freeze that uses them."""

import numpy as np
import pytest

from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows, rows_of
from assay.datasets.minimums import FreezeSettings
from assay.datasets.weighted_consensus import weighted_targets


def crowd(make_label, number, **votes):
    return [make_label(value, labeller=name, source="crowd", example_id=f"e{number}") for name, value in votes.items()]


def test_good_labellers_outvote_careless_ones_and_ties_go_to_nobody(criterion, make_label):
    random = np.random.default_rng(0)
    rows = []
    for number in range(120):
        truth = "yes" if number % 2 else "no"
        rows.append(crowd(make_label, number, ann=truth, bob=truth, x=random.choice(["yes", "no"]), y="yes"))
    contested = crowd(make_label, 900, ann="no", x="yes", y="yes")
    found = weighted_targets([*rows, contested, []], criterion)
    assert found[-1] is None
    assert found[-2].value == "no"  # two careless votes against one good one
    assert found[-2].votes == {"no": 1, "yes": 2}
    assert found[-2].probabilities["no"] > 0.6


def test_equals_against_one_another_are_left_to_adjudication(criterion, make_label):
    even = [
        crowd(make_label, number, ann=("yes", "no")[number % 2], bob=("no", "yes")[number % 2]) for number in range(40)
    ]
    assert weighted_targets(even, criterion) == [None] * 40


def test_the_most_trusted_source_decides_alone(criterion, make_label):
    labels = [*crowd(make_label, 1, a="no", b="no"), make_label("yes", labeller="eve", example_id="e1")]
    (target,) = weighted_targets([labels], criterion)
    assert (target.value, target.source, target.probabilities) == ("yes", "expert", {})


def test_a_weighted_freeze_keeps_probabilities_and_a_majority_freeze_its_digest(
    sqlite, blobs, criterion, fill, make_row, make_label
):
    rows = []
    for number in range(1, 121):
        example, (label,) = make_row(number, ("yes", "no")[number % 2])
        second = make_label(label.value, labeller="ben", example_id=example.id)
        rows.append((example, (label, second)))
    fill(sqlite, rows)
    majority = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=5))
    weighted = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=5, consensus="weighted"))
    assert majority.id != weighted.id
    assert b"probabilities" not in blobs.read(majority.rows_blob)
    assert weighted.settings["consensus"] == "weighted"
    train = rows_of(load_rows(blobs, weighted), "train")
    for row in train:
        assert sum(row.target.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert max(row.target.probabilities, key=row.target.probabilities.get) == row.target.value
