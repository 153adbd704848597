"""A new version of a criterion: carried labels, what moved, how many would flip."""

from dataclasses import replace

import pytest

from assay.datasets.carry_over import labelled_with_carried
from assay.datasets.criterion_diff import criterion_diff, label_fates
from assay.datasets.relabelling import draw_sample, flip_estimate
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.errors import InputError
from assay.store import criteria, examples


@pytest.fixture
def second(criterion):
    levels = (Level(label="yes", guidance="names an action"), Level(label="no"))
    scale = Scale(kind="binary", levels=levels, positive="yes")
    return replace(criterion, version="2", scale=scale, carries_over={"1": {"no": "no"}})


def test_only_labels_that_carry_over_are_read_and_new_ones_win(sqlite, criterion, second, fill, make_row, make_label):
    rows = [make_row(1, "yes"), make_row(2, "no"), make_row(3, "no")]
    fill(sqlite, rows)
    new = make_label("yes", example_id="e00003", criterion="advice/2")
    with sqlite.begin() as connection:
        criteria.record(connection, second)
        examples.add(connection, [], [new], None)
    with sqlite.read() as connection:
        found = {
            example.id: [(one.value, one.criterion) for one in labels]
            for example, labels in labelled_with_carried(connection, second)
        }
    assert found == {"e00002": [("no", "advice/1")], "e00003": [("yes", "advice/2")]}


def test_an_old_criterion_keeps_its_digest_and_carrying_over_may_be_decided_later(criterion, second):
    values = {"name": "advice", "version": "1", "question": "Is it advice?", "reads": ["output"]}
    scale = {"kind": "binary", "positive": "yes", "levels": [{"label": "yes"}, {"label": "no"}]}
    assert Criterion.from_dict({**values, "scale": scale}).digest == criterion.digest
    assert replace(second, carries_over={}).digest == second.digest


def test_what_cannot_be_carried_is_refused(second):
    with pytest.raises(InputError, match="not from itself"):
        replace(second, carries_over={"2": {}})
    with pytest.raises(InputError, match="not on the scale"):
        replace(second, carries_over={"1": {"no": "never"}})
    with pytest.raises(InputError, match="agreement_floor"):
        replace(second, agreement_floor=1.0)


def test_what_moved_and_what_becomes_of_the_labels(criterion, second, make_label):
    (moved,) = criterion_diff(criterion, second)
    assert (moved.what, moved.lines) == ("guidance of yes", ("+ names an action",))
    fates = label_fates([make_label("yes"), make_label("no"), make_label("no")], criterion, second)
    assert [(one.value, one.labels, one.becomes) for one in fates] == [("yes", 1, None), ("no", 2, "no")]


def test_the_flip_estimate_weighs_each_answer_by_its_share(second, make_row, make_label):
    old = [make_row(number, "yes" if number < 100 else "no") for number in range(500)]
    sample, drawn = draw_sample(old, 100)
    again, _ = draw_sample(old[::-1], 100)
    assert sample == again
    assert [sum(one.old == value for one in sample) for value in ("no", "yes")] == [80, 20]
    assert len(drawn) == 100
    yes = [one.example_id for one in sample if one.old == "yes"]
    answered = {one.example_id: [make_label(one.old, example_id=one.example_id)] for one in sample}
    answered |= {id_: [make_label("no", example_id=id_)] for id_ in yes[:10]}
    flips = flip_estimate(sample, answered, second, {"no": "no"})
    assert flips.by_answer["yes"].value == 0.5
    assert flips.by_answer["no"].value == 0
    assert flips.all.value == pytest.approx(0.2 * 0.5)
    assert flips.all.low < 0.1 < flips.all.high
    assert flips.expected.value == pytest.approx(50)
    assert flips.to["yes"] == {"no": 10, "yes": 10}


def test_a_sample_that_nobody_labelled_is_refused(second, make_row):
    sample, _ = draw_sample([make_row(number, "yes") for number in range(30)], 10)
    with pytest.raises(InputError, match="not labelled anew yet"):
        flip_estimate(sample, {}, second, {})
    with pytest.raises(InputError, match="No sample"):
        draw_sample([], 10)
