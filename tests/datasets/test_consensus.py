"""The target of an example's labels."""

import itertools

import pytest

from assay.datasets.consensus import target_of
from assay.schema.label import LABEL_SOURCES, Target


def test_the_majority_decides(make_label):
    labels = [make_label(value, labeller=name) for name, value in zip("abc", ["yes", "no", "yes"], strict=True)]
    assert target_of(labels) == Target(value="yes", source="expert", votes={"no": 1, "yes": 2}, agreement=2 / 3)


def test_a_plurality_is_enough(make_label):
    labels = [make_label(value, labeller=str(n)) for n, value in enumerate(["a", "b", "c", "a", "c", "a"])]
    assert target_of(labels).value == "a"


def test_the_most_trusted_source_decides_alone(make_label):
    crowd = [make_label("no", labeller=name, source="crowd") for name in "abcd"]
    target = target_of([*crowd, make_label("yes", source="expert")])
    assert target == Target(value="yes", source="expert", votes={"yes": 1}, agreement=1.0)


@pytest.mark.parametrize(("higher", "lower"), list(itertools.pairwise(LABEL_SOURCES)))
def test_the_order_of_trust(make_label, higher, lower):
    labels = [make_label("no", source=lower), make_label("yes", source=higher)]
    assert target_of(labels).source == higher


def test_a_tie_has_no_target_even_where_a_lesser_source_would_break_it(make_label):
    tied = [make_label("yes", labeller="a"), make_label("no", labeller="b"), make_label("no", source="crowd")]
    assert target_of(tied) is None
    assert target_of([]) is None
