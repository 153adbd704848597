"""Disagreements are decided with the answers side by side."""

import pytest

from assay.datasets.consensus import target_of
from assay.labelling.adjudication import adjudicate, docket, undo_last_decision
from assay.labelling.desk import hand_of, take
from assay.schema.errors import RefusedError
from assay.schema.label import Label
from assay.store import examples


@pytest.fixture
def disputed(filled, person, queued, said):
    """A queue of two items, one of them disputed; the lead."""
    queue = queued(budget=2, overlap_share=1.0)
    for name, value in (("mia", "yes"), ("eve", "no")):
        who = person(name)
        hand_of(filled, who, queue.record.name)
        take(filled, who, said(queue, 0, value, note=f"{name} says so"))
        take(filled, who, said(queue, 1, "no"))
    return queue, person("lead", adjudicates=True)


def test_the_answers_stand_side_by_side_without_names(filled, disputed):
    queue, lead = disputed
    found = docket(filled, lead, queue.record.name).dispute
    assert found.position == 0
    assert [(one.who, one.answer.value, one.answer.note, one.mine) for one in found.opinions] == [
        ("A", "no", "eve says so", False),
        ("B", "yes", "mia says so", False),
    ]


def test_a_decision_settles_it_and_decides_the_target(filled, disputed, said):
    queue, lead = disputed
    after = adjudicate(filled, lead, said(queue, 0, "yes", kind="adjudicate"))
    assert (after.dispute, after.queue.disputed, after.queue.finished) == (None, 0, 2)
    with filled.read() as connection:
        by_votes = {example.id: target_of(given) for example, given in examples.iter_labelled(connection, "advice/1")}
        names = [label.labeller for _, given in examples.iter_labelled(connection, "advice/1") for label in given]
    assert sorted(target.value for target in by_votes.values()) == ["no", "yes"]
    assert names.count("adjudication/lead") == 1


def test_a_decision_is_final_where_votes_would_tie():

    given = [
        Label(example_id="e", value=value, labeller=who, source="expert", criterion="c/1")
        for who, value in (("a", "x"), ("b", "y"), ("adjudication/lead", "z"))
    ]
    assert target_of(given[:2]) is None
    assert target_of(given).value == "z"


def test_a_decision_can_be_taken_back_and_comes_up_again(filled, disputed, said):
    queue, lead = disputed
    adjudicate(filled, lead, said(queue, 0, "yes", kind="adjudicate"))
    again = adjudicate(filled, lead, said(queue, 0, kind="undo"))
    assert (again.dispute.position, again.queue.disputed) == (0, 1)


def test_the_last_decision_is_taken_back_without_knowing_which_it_was(filled, disputed, said, person):
    queue, lead = disputed
    name = queue.record.name
    with pytest.raises(RefusedError, match="no decision to take back"):
        undo_last_decision(filled, lead, name, "key-undo-1")
    adjudicate(filled, lead, said(queue, 0, "yes", kind="adjudicate"))
    with pytest.raises(RefusedError, match="no decision to take back"):  # another one's stands
        undo_last_decision(filled, person("chief", adjudicates=True), name, "key-undo-1")
    for _ in range(2):  # sent twice, taken back once
        again = undo_last_decision(filled, lead, name, "key-undo-2")
        assert (again.dispute.position, again.queue.disputed) == (0, 1)
    with pytest.raises(RefusedError, match="Only an adjudicator"):
        undo_last_decision(filled, person("kim"), name, "key-undo-3")


def test_who_only_labels_does_not_see_the_answers_of_others(filled, disputed, person):
    queue, _ = disputed
    with pytest.raises(RefusedError, match="Only an adjudicator"):
        docket(filled, person("kim"), queue.record.name)
