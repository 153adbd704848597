"""Labels that were there before a queue: ties are settled side by side, and a second opinion is never one's own."""

from dataclasses import replace

import pytest

from assay.datasets.consensus import target_of
from assay.labelling.adjudication import adjudicate, docket
from assay.labelling.desk import hand_of, take
from assay.labelling.queues import Listed, QueuePlan, make_listed_queue
from assay.schema.label import Label
from assay.store import examples
from assay.store.labelling import queues
from assay.store.labelling.queues import PoolFilter


@pytest.fixture
def imported(filled, advice):
    """Give labels as an import does."""

    def give(example_id, **said):
        rows = [
            Label(
                example_id=example_id,
                value=value,
                labeller=name,
                source="expert",
                criterion=advice.key,
                explanation=f"{name} says {value}",
            )
            for name, value in said.items()
        ]
        with filled.begin() as connection:
            examples.add(connection, [], rows, None)

    return give


@pytest.fixture
def tied(filled, advice, imported):
    """A queue of two examples with tied labels and one with a clear majority."""
    imported("e001", mia="yes", eve="no")
    imported("e002", mia="no", eve="yes")
    imported("e003", mia="no", eve="no")
    listed = [Listed(example_id=f"e00{n}", hint="labels tied", settle=True) for n in (1, 2, 3)]
    return make_listed_queue(filled, advice, QueuePlan(by="list", budget=3, overlap_share=0.0), listed)


def test_tied_labels_wait_for_the_adjudicator_and_nobody_is_asked_anew(filled, tied, person):
    assert (tied.record.size, tied.finished, tied.disputed) == (3, 2, 2)
    hand = hand_of(filled, person("kim"), tied.record.name)
    assert [item.example.id for item in hand.items] == ["e003"]  # nothing to settle: one who labels sees it


def test_they_stand_side_by_side_without_names(filled, tied, person):
    lead = person("lead", adjudicates=True)
    found = docket(filled, lead, tied.record.name).dispute
    said = {"e001": ["no", "yes"], "e002": ["yes", "no"]}[found.example.id]
    assert [(one.who, one.answer.value) for one in found.opinions] == list(zip("AB", said, strict=True))
    assert [one.answer.note for one in found.opinions] == [f"eve says {said[0]}", f"mia says {said[1]}"]
    own = docket(filled, person("mia", adjudicates=True), tied.record.name).dispute
    assert [one.mine for one in own.opinions] == [False, True]


def test_a_decision_settles_a_tie_and_can_be_taken_back(filled, tied, person, said, advice):
    lead = person("lead", adjudicates=True)
    first = docket(filled, lead, tied.record.name).dispute
    after = adjudicate(filled, lead, said(tied, first.position, "yes", kind="adjudicate"))
    assert (after.queue.disputed, after.queue.finished) == (1, 2)
    with filled.read() as connection:
        found = {one.id: target_of(given) for one, given in examples.iter_labelled(connection, advice.key)}
    assert found[first.example.id].value == "yes"
    again = adjudicate(filled, lead, said(tied, first.position, kind="undo"))
    assert (again.dispute.position, again.queue.disputed, again.queue.finished) == (first.position, 2, 2)


def test_what_carries_over_from_an_older_version_is_settled_too(filled, make_criterion, imported, person):
    imported("e001", mia="yes", eve="no")
    newer = replace(make_criterion(), version="2", carries_over={"1": {"yes": "no", "no": "yes"}})
    listed = [Listed(example_id="e001", settle=True)]
    queue = make_listed_queue(filled, newer, QueuePlan(by="list", budget=1), listed)
    found = docket(filled, person("lead", adjudicates=True), queue.record.name).dispute
    assert [(one.answer.note, one.answer.value) for one in found.opinions] == [
        ("eve says no", "yes"),
        ("mia says yes", "no"),
    ]


def test_nobody_gives_a_second_opinion_on_their_own_label(filled, imported, queued, person, said):
    for number in range(4):
        imported(f"e{number:03}", mia="yes")
    queue = queued(budget=4, pool=PoolFilter(kind="labelled"), overlap_share=0.0)
    mia, ada = person("mia"), person("ada")
    assert hand_of(filled, mia, queue.record.name).positions == ()
    assert hand_of(filled, ada, queue.record.name).positions == (0, 1, 2)
    take(filled, ada, said(queue, 0, "no"))
    with filled.read() as connection:
        first = queues.item(connection, queue.record.name, 0).example_id
        opinions = examples.labels_of(connection, first, "advice/1")
    assert [(one.labeller, one.value) for one in opinions] == [("ada", "no"), ("mia", "yes")]


def test_a_label_taken_back_is_none(filled, advice, imported, queued, person):
    imported("e001", mia="yes", eve="yes")
    own = Label(example_id="e001", value="yes", labeller="mia", source="expert", criterion=advice.key)
    with filled.begin() as connection:
        examples.take_back(connection, own)
    queue = queued(budget=1, pool=PoolFilter(kind="labelled"))
    assert hand_of(filled, person("mia"), queue.record.name).positions == (0,)
    assert hand_of(filled, person("eve"), queue.record.name).positions == ()


def test_a_list_may_ask_the_same_person_again(filled, advice, imported, person):
    imported("e001", mia="yes")
    queue = make_listed_queue(filled, advice, QueuePlan(by="list", budget=1), [Listed(example_id="e001")])
    assert hand_of(filled, person("mia"), queue.record.name).positions == (0,)
