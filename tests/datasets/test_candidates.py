"""Exact duplicates."""

from assay.datasets.candidates import candidate_of, judged_key, merge_duplicates
from assay.schema.example import Example
from assay.schema.trace import ImagePart, TextPart, Turn

READS = ("output",)


def candidates(make_label, *rows):
    """Rows of (id, output, label, source, group)."""
    return [
        candidate_of(
            Example(id=id_, output=text, group=group), [make_label(value, labeller=id_, source=source, example_id=id_)]
        )
        for id_, text, value, source, group in rows
    ]


def test_duplicates_that_agree_become_the_smallest_id_with_all_labels_and_groups(make_label):
    rows = candidates(
        make_label,
        ("b", "Buy  GOLD", "yes", "crowd", "g2"),
        ("a", "buy gold", "yes", "crowd", "g1"),
        ("c", "sell gold", "no", "crowd", None),
    )
    merged = merge_duplicates(rows, READS)
    assert [candidate.example.id for candidate in merged.kept] == ["a", "c"]
    assert merged.kept[0].groups == ("g1", "g2")
    assert [(label.labeller, label.example_id) for label in merged.kept[0].labels] == [("a", "a"), ("b", "a")]
    assert (merged.merged, merged.conflicting) == (1, 0)


def test_duplicates_that_contradict_each_other_are_all_dropped(make_label):
    rows = candidates(
        make_label,
        ("a", "buy gold", "yes", "crowd", None),
        ("b", "buy gold", "no", "crowd", None),
        ("c", "buy gold", "yes", "crowd", None),
        ("d", "hold", "no", "crowd", None),
    )
    merged = merge_duplicates(rows, READS)
    assert [candidate.example.id for candidate in merged.kept] == ["d"]
    assert (merged.merged, merged.conflicting) == (0, 3)


def test_a_less_trusted_duplicate_does_not_contradict_an_expert(make_label):
    rows = candidates(make_label, ("a", "buy", "no", "teacher", None), ("b", "buy", "yes", "expert", None))
    merged = merge_duplicates(rows, READS)
    assert (len(merged.kept), merged.merged, merged.conflicting) == (1, 1, 0)


def test_only_what_is_judged_makes_a_duplicate():
    first, second = Example(id="1", input="a b", output="c"), Example(id="2", input="a", output="b c")
    assert judged_key(first, ("input", "output")) != judged_key(second, ("input", "output"))
    assert judged_key(first, ("reference",)) == judged_key(second, ("reference",))


def test_roles_and_images_tell_texts_apart():
    def of_turns(*roles):
        turns = tuple(Turn(role=role, content=str(n)) for n, role in enumerate(roles))
        return judged_key(Example(id="1", turns=turns), ("turns",))

    def of_image(blob):
        return judged_key(Example(id="1", output=(TextPart(text="See"), ImagePart(blob=blob * 64))), READS)

    assert of_turns("user", "assistant") != of_turns("assistant", "user")
    assert of_image("0") != of_image("1")
    assert of_image("0") == of_image("0")
