"""Agreement in full, and the gate before training."""

from dataclasses import replace

import numpy as np
import pytest

from assay.datasets.agreement_gate import check_agreement
from assay.datasets.agreement_report import agreement_report
from assay.datasets.disagreement import most_disagreed
from assay.datasets.freezing import freeze
from assay.datasets.frozen_rows import load_rows
from assay.datasets.minimums import FreezeSettings
from assay.schema.errors import RefusedError
from assay.schema.example import Example


@pytest.fixture
def labelled(make_label):
    random = np.random.default_rng(0)
    rows = []
    for number in range(80):
        truth = ("yes", "no")[number % 2]
        other = ("no", "yes")[number % 2]
        example = Example(
            id=f"e{number:03}", output=f"text {number}", meta={"channel": "web" if number < 40 else "app"}
        )
        month = f"2026-0{1 + number // 40}-05"
        values = {"ann": truth, "bob": truth if random.random() < 0.9 else other, "cy": random.choice(["yes", "no"])}
        labels = [make_label(v, labeller=n, example_id=example.id, created_at=month) for n, v in values.items()]
        rows.append((example, labels))
    return rows


def test_every_part_is_measured(labelled, criterion):
    found = agreement_report(labelled, criterion)
    assert (found.examples, found.shared, found.labellers) == (80, 80, 3)
    assert set(found.overall) == {"krippendorff_alpha", "pairwise_agreement", "fleiss_kappa", "gwet_ac1"}
    assert [(one.key, one.value, one.alpha.n) for one in found.slices] == [
        ("channel", "app", 40),
        ("channel", "web", 40),
    ]
    assert [one.value for one in found.months] == ["2026-01", "2026-02"]
    assert {(one.a, one.b) for one in found.pairs} == {("ann", "bob"), ("ann", "cy"), ("bob", "cy")}
    assert (found.pairs[-1].a, found.pairs[-1].b) == ("ann", "bob")
    assert found.quality[0].labeller == "cy"
    assert found.versions == {"advice/1": 240}


def test_without_overlap_the_parts_are_empty(criterion, make_label):
    found = agreement_report([(Example(id="e", output="x"), [make_label()])], criterion)
    assert (found.shared, found.overall, found.pairs, found.quality, found.drift) == (0, {}, (), (), ())


def test_of_two_labellers_none_can_be_compared_and_the_report_says_why(labelled, criterion):
    pairs = [(example, labels[:2] if place else labels) for place, (example, labels) in enumerate(labelled)]
    found = agreement_report(pairs, criterion)
    assert (found.shared, found.with_others, found.quality, found.drift) == (80, 1, (), ())
    assert agreement_report(labelled, criterion).with_others == 80


def test_the_most_divided_examples_come_first_with_the_guidance_they_touch(criterion, make_label):
    split = [make_label("yes", labeller="a"), make_label("no", labeller="b")]
    leaning = [*split, make_label("yes", labeller="c")]
    agreed = [make_label("yes", labeller="a"), make_label("yes", labeller="b")]
    rows = [(Example(id=str(n), output="x"), labels) for n, labels in enumerate((agreed, leaning, split))]
    found = most_disagreed(rows, criterion)
    assert [(one.example, one.share) for one in found] == [("2", 1.0), ("1", pytest.approx(2 / 3))]
    assert set(found[0].guidance) == {"yes", "no"}


def test_the_gate_refuses_with_examples_guidance_and_the_way_out(sqlite, blobs, criterion, fill, make_row, make_label):
    rows = []
    for number in range(1, 161):
        value = ("yes", "no")[number % 2]
        example, (label,) = make_row(number, value)
        differs = number % 4 == 1
        others = [
            make_label(value if not differs else ("no", "yes")[number % 2], labeller="ben", example_id=example.id)
        ]
        others += [make_label(value, labeller="eva", example_id=example.id)]
        rows.append((example, (label, *others)))
    fill(sqlite, rows)
    dataset = freeze(sqlite, blobs, criterion, FreezeSettings(min_test_per_class=5))
    kept = load_rows(blobs, dataset)
    check_agreement(dataset, kept, criterion)
    check_agreement(dataset, kept, replace(criterion, agreement_floor=0.2))
    with pytest.raises(RefusedError) as refused:
        check_agreement(dataset, kept, replace(criterion, agreement_floor=0.9))
    assert "agree too little" in refused.value.problem
    assert "2 no, 1 yes" in refused.value.got
    assert "guidance they touch (40 examples)" in refused.value.got
    assert "--waive-agreement" in refused.value.next_step
    with pytest.raises(RefusedError, match="Nobody has measured"):
        check_agreement(replace(dataset, agreement={}), kept, replace(criterion, agreement_floor=0.2))
