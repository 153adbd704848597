"""Agreement as measured at a freeze. (The coefficients themselves are tested with the metrics.)"""

import pytest

from assay.datasets.agreement import measured_agreement
from assay.schema.example import Example


def pair(make_label, a, b):
    return [make_label(a, labeller="ann"), make_label(b, labeller="bob")]


def measured(items, criterion):
    """Each item's labels belong to an example of its own."""
    return measured_agreement([(Example(id=str(n), output="x"), given) for n, given in enumerate(items)], criterion)


def test_only_examples_with_two_labellers_count(criterion, make_label):
    items = [
        pair(make_label, "yes", "yes"),
        pair(make_label, "no", "no"),
        pair(make_label, "no", "yes"),
        [make_label("no")],
    ]
    found = measured(items, criterion)
    assert found["pairwise_agreement"]["value"] == pytest.approx(2 / 3)
    # of 6 values 3 are yes: observed disagreement 2/6, expected 2·3·3/(6·5) = 0.6, α = 1 − (1/3)/0.6
    assert found["krippendorff_alpha"]["value"] == pytest.approx(4 / 9)
    assert found["pairwise_agreement"]["n"] == 3
    assert found["pairwise_agreement"]["low"] < 2 / 3 < found["pairwise_agreement"]["high"]


def test_an_adjudication_is_no_second_opinion(criterion, make_label):
    adjudicated = [make_label("yes", labeller="ann"), make_label("yes", labeller="adjudication/eve")]
    assert measured([adjudicated], criterion) == {}


def test_what_is_undefined_is_left_out(criterion, make_label):
    assert measured([[make_label("yes")]], criterion) == {}
    one_label = measured([pair(make_label, "yes", "yes")] * 5, criterion)
    assert set(one_label) == {"pairwise_agreement", "gwet_ac1"}
    assert one_label["pairwise_agreement"]["value"] == 1.0
