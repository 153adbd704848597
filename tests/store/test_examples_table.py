"""The tables of examples and labels."""

import pytest

from assay.schema.errors import ConflictError, InputError, NotFoundError
from assay.schema.example import Example
from assay.schema.trace import ImagePart, TextPart, Turn
from assay.store import criteria, examples
from assay.store.examples import Added, Counts


@pytest.fixture
def database(database, make_criterion):
    with database.begin() as connection:
        for name in ("advice", "toxicity"):
            criteria.record(connection, make_criterion(name))
    return database


def add(database, example_rows, label_rows=()):
    with database.begin() as connection:
        return examples.add(connection, iter(example_rows), iter(label_rows), None)


def labelled(database, criterion_key="advice/1"):
    with database.read() as connection:
        return list(examples.iter_labelled(connection, criterion_key))


def test_examples_of_every_kind_come_back_as_they_were(database, make_example, make_label):
    rich = make_example(
        1,
        turns=(Turn(role="user", content="hi \ud800 \x00 <|eot_id|>"), Turn(role="assistant", content="ho")),
        context=(TextPart(text="see"), ImagePart(blob="0" * 64)),
        source="synthetic",
        group="session-1",
        weight=2.5,
        meta={"région": "é", "n": 1},
    )
    label = make_label(1, explanation="because\x00", created_at="2026-01-01", source="expert")
    assert add(database, [rich], [label]) == Added(new_examples=1, known_examples=0, new_labels=1, known_labels=0)
    assert labelled(database) == [(rich, (label,))]


def test_adding_again_changes_nothing(database, make_example, make_label):
    rows = [make_example(n) for n in range(1200)], [make_label(n) for n in range(1200)]
    assert add(database, *rows) == Added(new_examples=1200, known_examples=0, new_labels=1200, known_labels=0)
    before = labelled(database)
    assert add(database, *rows) == Added(new_examples=0, known_examples=1200, new_labels=0, known_labels=1200)
    assert labelled(database) == before
    assert len(before) == 1200


def test_the_same_row_twice_in_one_import_is_one_row(database, make_example, make_label):
    added = add(database, [make_example(), make_example()], [make_label(), make_label()])
    assert added == Added(new_examples=1, known_examples=1, new_labels=1, known_labels=1)


def test_the_first_provenance_stays(database, make_example, make_label):
    add(database, [make_example(group="a")], [make_label()])
    add(database, [make_example(group="b")])
    assert labelled(database)[0][0].group == "a"


@pytest.mark.parametrize("together", [True, False])
def test_one_id_with_two_texts_is_refused_and_nothing_is_kept(database, make_example, together):
    first, second = make_example(1), make_example(1, output="something else")
    if not together:
        add(database, [first])
    with pytest.raises(ConflictError, match="'e000001' stands for two different contents"):
        add(database, [make_example(0), first, second] if together else [make_example(0), second])
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT id FROM examples").scalars().all()
    assert rows == ([] if together else ["e000001"])


def test_labels_without_their_example_or_criterion_are_refused(database, make_example, make_label):
    with pytest.raises(NotFoundError, match="not there: 'e000007'"):
        add(database, [make_example(1)], [make_label(1), make_label(7)])
    with pytest.raises(NotFoundError, match="No criterion 'absent/1'"):
        add(database, [make_example(1)], [make_label(1, criterion="absent/1")])
    assert labelled(database) == []


def test_keys_that_a_database_cannot_hold_are_refused(database, make_example, make_label):
    with pytest.raises(InputError, match="An example's id"):
        add(database, [make_example(1, id="a\x00")])
    with pytest.raises(InputError, match="A labeller's name"):
        add(database, [make_example(1)], [make_label(1, labeller="\ud800")])


def test_each_labellers_newest_label_counts(database, make_example, make_label):
    add(database, [make_example()], [make_label(), make_label(labeller="ada", value="no")])
    added = add(database, [], [make_label(value="no"), make_label(labeller="ada", value="no")])
    assert (added.new_labels, added.known_labels) == (1, 1)
    [(_, current)] = labelled(database)
    assert [(label.labeller, label.value) for label in current] == [("ada", "no"), ("mia", "no")]
    add(database, [], [make_label(value="yes")])
    [(_, current)] = labelled(database)
    assert [(label.labeller, label.value) for label in current] == [("ada", "no"), ("mia", "yes")]
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM labels").scalar() == 4


def test_another_source_is_a_new_label(database, make_example, make_label):
    add(database, [make_example()], [make_label()])
    assert add(database, [], [make_label(source="expert")]).new_labels == 1
    [(_, current)] = labelled(database)
    assert [label.source for label in current] == ["expert"]


def test_an_old_dated_label_that_comes_again_does_not_undo_a_newer_one(database, make_example, make_label):
    old, new = make_label(created_at="2026-01-01"), make_label(value="no", created_at="2026-02-01")
    add(database, [make_example()], [old, new])
    assert add(database, [], [old]).known_labels == 1
    assert labelled(database) == [(make_example(), (new,))]


def test_examples_come_in_the_byte_order_of_their_ids(database, make_label):
    ids = ["b", "a-1", "B", "é", "a1", "_", "Z"]
    rows = [Example(id=name, output=name) for name in ids]
    add(database, rows, [make_label(example_id=name) for name in ids])
    assert [example.id for example, _ in labelled(database)] == ["B", "Z", "_", "a-1", "a1", "b", "é"]


def test_criteria_do_not_mix(database, make_example, make_label):
    add(
        database,
        [make_example(0), make_example(1), make_example(2)],
        [
            make_label(0),
            make_label(0, labeller="ada", source="expert"),
            make_label(1, value="no"),
            make_label(1, criterion="toxicity/1"),
        ],
    )
    assert [example.id for example, _ in labelled(database, "toxicity/1")] == ["e000001"]
    with database.read() as connection:
        assert examples.counts(connection, "advice/1") == Counts(
            examples=2, labels=3, by_value={"no": 1, "yes": 2}, by_source={"author": 2, "expert": 1}
        )
        assert examples.counts(connection, "absent/1") == Counts(examples=0, labels=0, by_value={}, by_source={})


def test_a_long_text_is_kept_whole(database, make_example, make_label):
    example = make_example(output="word " * 200_000)
    add(database, [example], [make_label()])
    assert labelled(database)[0][0] == example
