"""What a labeller's answers do."""

import pytest

from assay.labelling.desk import AHEAD, hand_of, skipped_again, take, undo_last
from assay.schema.errors import InputError, NotFoundError, RefusedError
from assay.schema.label import Label
from assay.store import examples
from assay.store.labelling import work
from assay.store.labelling.answers import Highlight


def labels(database, key="advice/1"):
    with database.read() as connection:
        rows = list(examples.iter_labelled(connection, key))
    return {(row.id, label.labeller): label.value for row, given in rows for label in given}


def held(database, queue, who):
    return list(hand_of(database, who, queue.record.name).positions)


def test_a_label_lands_with_its_note_its_date_and_the_labellers_source(filled, person, queued, said):
    mia, queue = person("mia", source="crowd"), queued(overlap_share=0.0)
    first = hand_of(filled, mia, queue.record.name).items[0]
    marks = (Highlight(field="output", start=0, end=6),)
    hand = take(filled, mia, said(queue, first.position, "no", note="because", highlights=marks, took_s=4.5))
    with filled.read() as connection:
        ((example, (label,)),) = examples.iter_labelled(connection, "advice/1")
    assert (example.id, label.value, label.labeller, label.source, label.explanation, label.criterion) == (
        first.example.id,
        "no",
        "mia",
        "crowd",
        "because",
        "advice/1",
    )
    assert label.created_at
    assert (hand.mine.labelled, hand.mine.seconds, hand.queue.finished) == (1, 4.5, 1)


def test_the_same_hand_after_a_reload_and_three_ahead(filled, person, queued):
    mia, queue = person("mia"), queued()
    assert held(filled, queue, mia) == held(filled, queue, mia) == [0, 1, 2]
    assert AHEAD == 3


def test_an_answer_that_is_sent_twice_is_taken_once(filled, person, queued, said):
    mia, queue = person("mia"), queued(overlap_share=0.0)
    answer = said(queue, held(filled, queue, mia)[0])
    again = [take(filled, mia, answer) for _ in range(3)][-1]
    assert (again.mine.labelled, again.queue.finished, list(again.positions)) == (1, 1, [1, 2, 3])


def test_two_labellers_never_get_the_same_item_without_overlap(filled, person, queued, said):
    mia, ada, queue = person("mia"), person("ada"), queued(budget=6, overlap_share=0.0)
    assert held(filled, queue, mia) == [0, 1, 2]
    assert held(filled, queue, ada) == [3, 4, 5]
    take(filled, mia, said(queue, 0))
    assert held(filled, queue, mia) == [1, 2]


def test_with_overlap_both_answer_and_a_disagreement_is_a_dispute(filled, person, queued, said):
    mia, ada, queue = person("mia"), person("ada"), queued(budget=3, overlap_share=1.0)
    assert held(filled, queue, mia) == held(filled, queue, ada) == [0, 1, 2]
    take(filled, mia, said(queue, 0, "yes"))
    hand = take(filled, ada, said(queue, 0, "no"))
    assert (hand.queue.finished, hand.queue.disputed) == (1, 1)
    take(filled, mia, said(queue, 1, "yes"))
    assert take(filled, ada, said(queue, 1, "yes")).queue.disputed == 1
    eve = person("eve")
    assert held(filled, queue, eve) == []  # the third item is held by two already


def test_a_skipped_item_goes_to_somebody_else_and_comes_back_when_asked_for(filled, person, queued, said):
    mia, ada, queue = person("mia"), person("ada"), queued(budget=3, overlap_share=0.0)
    held(filled, queue, mia)
    hand = take(filled, mia, said(queue, 0, kind="skip"))
    assert (hand.mine.skipped, list(hand.positions)) == (1, [1, 2])
    assert held(filled, queue, ada) == [0]
    take(filled, ada, said(queue, 0, kind="skip"))
    assert list(skipped_again(filled, mia, queue.record.name).positions) == [1, 2, 0]
    assert labels(filled) == {}


def test_undo_withdraws_the_label_and_shows_the_item_with_the_answer_given(filled, person, queued, said):
    mia, queue = person("mia"), queued(overlap_share=0.0)
    first = hand_of(filled, mia, queue.record.name).items[0]
    take(filled, mia, said(queue, 0, "no", note="hm", took_s=3.0))
    hand = take(filled, mia, said(queue, 0, kind="undo"))
    assert labels(filled) == {}
    assert (hand.mine.labelled, hand.mine.seconds, hand.queue.finished) == (0, 0.0, 0)
    assert hand.positions[0] == 0
    assert (hand.items[0].previous.value, hand.items[0].previous.note) == ("no", "hm")
    take(filled, mia, said(queue, 0, "no"))
    assert labels(filled) == {(first.example.id, "mia"): "no"}


def test_undo_goes_back_step_by_step_and_ends_with_a_refusal(filled, person, queued, said):
    mia, queue = person("mia"), queued(overlap_share=0.0)
    held(filled, queue, mia)
    for position, kind in ((0, "label"), (1, "skip"), (2, "label")):
        take(filled, mia, said(queue, position, kind=kind))
    seen = [undo_last(filled, mia, queue.record.name, f"key-undo-{n}").positions[0] for n in range(3)]
    assert seen == [2, 1, 0]
    assert labels(filled) == {}
    with pytest.raises(RefusedError, match="no answer to take back"):
        undo_last(filled, mia, queue.record.name, "key-undo-4")


def test_undo_brings_an_earlier_label_of_the_same_person_back(filled, person, queued, said, advice):

    mia = person("mia", source="crowd")
    queue = queued(budget=12, overlap_share=0.0)
    item = hand_of(filled, mia, queue.record.name).items[0]
    before = Label(example_id=item.example.id, value="yes", labeller="mia", source="crowd", criterion=advice.key)
    with filled.begin() as connection:
        examples.add(connection, [], [before], None)
    take(filled, mia, said(queue, item.position, "no"))
    assert labels(filled) == {(item.example.id, "mia"): "no"}
    take(filled, mia, said(queue, item.position, kind="undo"))
    assert labels(filled) == {(item.example.id, "mia"): "yes"}
    take(
        filled, mia, said(queue, item.position, "yes")
    )  # says the same again: no new label, and undo leaves the old one
    take(filled, mia, said(queue, item.position, kind="undo"))
    assert labels(filled) == {(item.example.id, "mia"): "yes"}


def test_answering_again_in_another_window_counts_once(filled, person, queued, said):
    mia, queue = person("mia"), queued(overlap_share=0.0)
    held(filled, queue, mia)
    take(filled, mia, said(queue, 0, "yes"))
    hand = take(filled, mia, said(queue, 0, "no"))
    assert (hand.mine.labelled, hand.queue.finished) == (1, 1)
    assert list(labels(filled).values()) == ["no"]


def test_an_answer_to_an_item_that_was_let_go_is_taken_all_the_same(filled, person, queued, said):
    mia, ada, queue = person("mia"), person("ada"), queued(budget=1, overlap_share=0.0)
    held(filled, queue, mia)
    with filled.begin() as connection:
        work.drop(connection, queue.record.name, 0, "mia")
    take(filled, ada, said(queue, 0, "no"))
    hand = take(filled, mia, said(queue, 0, "yes"))
    assert len(labels(filled)) == 2
    assert hand.queue.disputed == 1


def test_a_claim_that_is_forgotten_goes_to_whoever_finds_nothing_else(filled, person, queued):
    mia, ada, queue = person("mia"), person("ada"), queued(budget=2, overlap_share=0.0)
    assert held(filled, queue, mia) == [0, 1]
    assert held(filled, queue, ada) == []
    with filled.begin() as connection:
        connection.exec_driver_sql("UPDATE label_assignments SET since = '2020-01-01' WHERE position = 1")
    assert held(filled, queue, ada) == [1]


def test_a_blind_hand_says_nothing_of_what_drew_it(filled, person, queued):
    mia, queue = person("mia"), queued()
    assert [item.hint for item in hand_of(filled, mia, queue.record.name).items] == [None] * 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"value": "maybe"}, "not on the scale"),
        ({"highlights": (Highlight(field="output", start=0, end=99),)}, "outside its text"),
        ({"highlights": (Highlight(field="meta", start=0, end=1),)}, "unknown field"),
        ({"note": "x" * 10_001}, "too long"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_kept(filled, person, queued, said, more, message):
    mia, queue = person("mia"), queued()
    held(filled, queue, mia)
    with pytest.raises(InputError, match=message):
        take(filled, mia, said(queue, 0, **more))
    assert labels(filled) == {}


def test_what_is_not_there_is_not_found(filled, person, queued, said):
    mia, queue = person("mia"), queued()
    with pytest.raises(NotFoundError, match="no item at position 77"):
        take(filled, mia, said(queue, 77))
    with pytest.raises(NotFoundError, match="no queue 'nowhere'"):
        hand_of(filled, mia, "nowhere")
