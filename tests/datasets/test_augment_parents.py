"""Which rows are parents, of which kinds, and what for."""

from collections import Counter

import pytest

from assay.datasets.augmentation.kinds import KINDS, Ends, check_fits, ends_of, kinds_named
from assay.datasets.augmentation.parents import TaskPlan, planned_tasks
from assay.datasets.augmentation.unaided import changes_without_help, derivative_of
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.label import Target
from assay.schema.receipt import made_by, parents_of
from assay.schema.trace import ImagePart


def criterion_of(*labels, kind="binary", reads=("input", "output"), positive="bad"):
    scale = Scale(kind=kind, levels=tuple(Level(label=one) for one in labels), positive=positive)
    return Criterion(name="c", version="1", question="?", reads=reads, scale=scale)


BINARY = criterion_of("good", "bad")
ENDS = Ends(good="good", bad="bad")


def row(number, label="good", split="train", **changes):
    fields = {"input": f"question {number}", "output": f"answer {number}", **changes}
    example = Example(id=f"r{number:02}", **fields)
    target = Target(value=label, source="expert", votes={label: 1}, agreement=1.0)
    return FrozenRow(example=example, labels=(), target=target, split=split, component=f"r{number:02}")


def tasks(kind, rows, criterion=BINARY, *, n=100, ends=ENDS, seed=0):
    plan = TaskPlan(receipt="c-augment-0", per_kind=n, seed=seed, ends=ends)
    return planned_tasks(KINDS[kind], rows, criterion, plan)


def test_only_decided_rows_of_train_are_parents():
    rows = [
        row(1),
        row(2, split="test"),
        row(3, split="dev"),
        row(4, split="calibration"),
        row(5, source="synthetic", meta={"augmentation": {"receipt": "r", "kind": "flip", "parents": ["r01"]}}),
        row(6, label=""),
        row(7, output=None),
        row(8, output=(ImagePart(blob="0" * 64),)),
    ]
    assert [task.parent.id for task in tasks("flip", rows)] == ["r01"]


def test_labels_take_turns_and_no_row_comes_twice():
    rows = [row(n, "bad" if n < 3 else "good") for n in range(20)]
    found = tasks("paraphrase", rows, n=10)
    assert len({task.parent.id for task in found}) == 10
    assert Counter(task.before for task in found) == {"bad": 3, "good": 7}
    assert all(task.label == task.before for task in found)
    again = tasks("paraphrase", list(reversed(rows)), n=10)
    assert [task.id for task in again] == [task.id for task in found]
    assert [task.id for task in tasks("paraphrase", rows, n=10, seed=1)] != [task.id for task in found]


@pytest.mark.parametrize(
    ("kind", "scale", "labels", "before", "allowed"),
    [
        ("flip", "binary", ("good", "bad"), "bad", {"good"}),
        ("flip", "categorical", ("a", "b", "c"), "b", {"a", "c"}),
        ("flip", "ordinal", ("1", "2", "3", "4", "5"), "1", {"2"}),
        ("flip", "ordinal", ("1", "2", "3", "4", "5"), "3", {"2", "4"}),
        ("paraphrase", "categorical", ("a", "b", "c"), "b", {"b"}),
    ],
)
def test_what_a_text_is_made_for(kind, scale, labels, before, allowed):
    criterion = criterion_of(*labels, kind=scale, positive=labels[1] if scale == "binary" else None)
    found = tasks(kind, [row(n, before) for n in range(30)], criterion, ends=Ends())
    assert {task.label for task in found} == allowed


def test_only_good_answers_are_spoilt():
    found = tasks("corrupt", [row(1, "good"), row(2, "bad")])
    assert [(task.parent.id, task.label, task.field) for task in found] == [("r01", "bad", "output")]


def test_a_swapped_answer_comes_from_another_component_and_is_bad():
    rows = [row(n) for n in range(6)]
    found = tasks("swap", rows)
    assert len(found) == 6
    for task in found:
        made = derivative_of(task, "c-augment-0", changes_without_help(task))
        first, second = task.parents
        assert (made.input, made.output) == (first.input, second.output)
        assert first.id != second.id
        assert task.label == "bad"
        assert parents_of(made) == (first.id, second.id)
    assert tasks("swap", rows[:1]) == []


def test_a_pair_is_swapped_and_its_label_mirrored():
    reads = ("input", "output_a", "output_b")
    criterion = criterion_of("A", "tie", "B", kind="pairwise", reads=reads, positive=None)
    pair = {"output": None, "output_a": "one", "output_b": "two"}
    rows = [row(1, "A", **pair), row(2, "tie", **pair), row(3, "B", **pair)]
    found = {task.parent.id: task for task in tasks("swap", rows, criterion, ends=Ends())}
    assert {id_: task.label for id_, task in found.items()} == {"r01": "B", "r02": "tie", "r03": "A"}
    made = derivative_of(found["r01"], "c-augment-0", changes_without_help(found["r01"]))
    assert (made.output_a, made.output_b) == ("two", "one")


def test_a_dropped_reference_leaves_everything_else():
    criterion = criterion_of("good", "bad", reads=("input", "output", "reference"))
    parent = row(1, reference="the facts", group="g", weight=3.0, meta={"team": "a"})
    (task,) = tasks("reference-drop", [parent, row(2)], criterion)
    made = derivative_of(task, "c-augment-0", changes_without_help(task))
    assert (made.reference, made.output, task.label) == (None, "answer 1", "good")
    assert (made.source, made.group, made.weight) == ("synthetic", "g", 1.0)
    assert made.meta.keys() == {"augmentation"}
    assert made_by(made) == ("c-augment-0", "reference-drop")
    assert made_by(parent.example) is None


def test_a_derivative_of_a_row_without_a_group_has_its_parents_id_as_group():
    (task,) = tasks("flip", [row(1)])
    assert derivative_of(task, "c-augment-0", {"output": "x"}).group == "r01"


@pytest.mark.parametrize(
    ("kind", "criterion", "problem"),
    [
        ("flip", criterion_of("a", "b", kind="multi-label", positive=None), "several labels at once"),
        ("swap", criterion_of("good", "bad", reads=("output",)), "does not suit"),
        ("reference-drop", BINARY, "does not suit"),
        ("policy-flip", criterion_of("good", "bad", reads=("context",)), "does not suit"),
        ("flip", criterion_of("A", "B", kind="pairwise", reads=("output_a", "output_b"), positive=None), "not suit"),
        ("corrupt", criterion_of("a", "b", "c", kind="categorical", positive=None), "nothing tells which they are"),
        ("swap", criterion_of("1", "2", "3", kind="ordinal", positive=None), "nothing tells which they are"),
    ],
)
def test_a_kind_that_does_not_suit_is_refused(kind, criterion, problem):
    with pytest.raises(InputError, match=problem):
        check_fits(KINDS[kind], criterion, ends_of(criterion, None, None))


def test_policy_flips_rewrite_what_the_answer_is_held_against():
    criterion = criterion_of("good", "bad", reads=("context", "output"))
    check_fits(KINDS["policy-flip"], criterion, ENDS)
    (task,) = tasks("policy-flip", [row(1, context="the policy"), row(2)], criterion)
    assert (task.field, task.label) == ("context", "bad")


def test_ends_and_names():
    assert ends_of(BINARY, None, None) == ENDS
    assert ends_of(BINARY, "bad", "good") == Ends(good="bad", bad="good")
    assert [kind.name for kind in kinds_named(("swap", "flip", "swap"))] == ["flip", "swap"]
    assert {name: kind.label_source for name, kind in KINDS.items()} == {
        "paraphrase": "teacher",
        "flip": "teacher",
        "corrupt": "teacher",
        "policy-flip": "teacher",
        "swap": "rule",
        "reference-drop": "rule",
    }
