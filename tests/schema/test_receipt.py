"""Whether an example was made from others is told from what we wrote, not from a column of the same name."""

import pytest

from assay.schema.example import Example
from assay.schema.receipt import PROVENANCE, made_by, parents_of

OURS = {"receipt": "advice-augment-3f2a91c0", "kind": "flip", "parents": ["a", "b"]}


def test_an_augmented_example():
    example = Example(id="x", input="hi", source="synthetic", meta={PROVENANCE: OURS})
    assert made_by(example) == ("advice-augment-3f2a91c0", "flip")
    assert parents_of(example) == ("a", "b")


@pytest.mark.parametrize(
    ("source", "meta"),
    [
        ("production", {PROVENANCE: OURS}),
        ("synthetic", {PROVENANCE: {"kind": "typo"}}),
        ("synthetic", {PROVENANCE: {**OURS, "parents": 3}}),
        ("synthetic", {PROVENANCE: "none"}),
        ("synthetic", {}),
    ],
)
def test_a_column_of_the_users_is_not_ours(source, meta):
    example = Example(id="x", input="hi", source=source, meta=meta)
    assert made_by(example) is None
    assert parents_of(example) == ()
