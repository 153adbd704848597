"""Agreement where examples belong together: a conversation that people read alike is one piece of evidence, not ten."""

from dataclasses import replace

import numpy as np
import pytest

from assay.datasets.agreement import coefficients, rated
from assay.datasets.agreement_gate import check_agreement
from assay.datasets.agreement_report import agreement_report
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows
from assay.datasets.minimums import FreezeSettings
from assay.metrics.agreement import krippendorff_alpha
from assay.schema.errors import RefusedError
from assay.schema.example import Example

GROUPS, EACH = 20, 6


@pytest.fixture
def sessions(make_row, make_label):
    """Twenty sessions of six rows; two people differ on all rows of a session or on none of them."""

    def one(session, place):
        value, other = ("yes", "no") if session % 2 else ("no", "yes")
        example, _ = make_row(
            session * EACH + place, value, group=f"session {session}", meta={"channel": ("web", "app")[session % 2]}
        )
        said = {"ann": value, "bob": other if session % 5 == 0 else value}
        labels = [make_label(v, n, "crowd", example_id=example.id, created_at="2026-01-05") for n, v in said.items()]
        return example, tuple(labels)

    return [one(session, place) for session in range(GROUPS) for place in range(EACH)]


def test_a_session_counts_once(sessions, criterion):
    """As wide as the interval of the twenty sessions, one row of each."""
    once = [row for place, row in enumerate(sessions) if place % EACH == 0]
    whole, single = coefficients(rated(sessions), criterion), coefficients(rated(once), criterion)
    assert set(whole) == {"krippendorff_alpha", "pairwise_agreement", "fleiss_kappa", "gwet_ac1"}
    for name, found in whole.items():
        assert (found.n, found.method) == (GROUPS * EACH, "jackknife over groups")
        assert found.high - found.low == pytest.approx(single[name].high - single[name].low, rel=0.02)


def test_every_part_of_the_report_leaves_sessions_out_whole(sessions, criterion):
    found = agreement_report(sessions, criterion, under=[(criterion, sessions)])
    alphas = [one.alpha for one in (*found.by_version, *found.slices)]
    assert len(alphas) == 3
    for one in (*alphas, *found.overall.values(), found.pairs[0].kappa):
        assert one.method == "jackknife over groups"


def test_the_floor_asks_what_the_sessions_show(sqlite, blobs, criterion, fill, sessions):
    fill(sqlite, sessions)
    settings = FreezeSettings(accept_labels=("crowd",), min_test_per_class=1, ties="train")
    dataset = freeze(sqlite, blobs, criterion, settings)
    ratings = [one.ratings for one in rated(sessions)]
    by_rows = krippendorff_alpha(ratings, criterion.labels, "binary")
    measured = dataset.agreement["krippendorff_alpha"]
    assert measured["value"] == by_rows.value
    floor = (measured["low"] + by_rows.low) / 2
    assert measured["low"] < floor < by_rows.low
    with pytest.raises(RefusedError, match="agree too little"):
        check_agreement(dataset, load_rows(blobs, dataset), replace(criterion, agreement_floor=floor))


def simulated(random, groups, make_label):
    """Groups with one right answer each, read easily or badly by both people."""
    rows = []
    for group in range(groups):
        truth, sure = random.integers(2), (0.97, 0.6)[random.integers(2)]
        for place in range(5):
            example = Example(id=f"{group}-{place}", output="x", group=f"g{group}")
            said = np.where(random.random(2) < sure, truth, 1 - truth)
            labels = [make_label(("no", "yes")[v], n, example_id=example.id) for v, n in zip(said, "ab", strict=True)]
            rows.append((example, labels))
    return rows


def test_intervals_over_groups_hold_the_true_value_as_often_as_they_say(criterion, make_label):
    random = np.random.default_rng(5)
    true = coefficients(rated(simulated(random, 6000, make_label)), criterion)["krippendorff_alpha"].value
    by_group, by_row = [], []
    for _ in range(300):
        shared = rated(simulated(random, 40, make_label))
        one = coefficients(shared, criterion)["krippendorff_alpha"]
        row = krippendorff_alpha([item.ratings for item in shared], criterion.labels, "binary")
        by_group.append(one.low <= true <= one.high)
        by_row.append(row.low <= true <= row.high)
    assert 0.91 <= np.mean(by_group) <= 0.99  # 0.95 ± 3 standard errors of 300 draws
    assert np.mean(by_row) < np.mean(by_group)
