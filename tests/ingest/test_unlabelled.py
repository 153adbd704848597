"""Traffic: rows as examples, whatever else stands in them."""

import pytest

from assay.ingest.unlabelled import read_unlabelled
from assay.schema.errors import InputError, NotFoundError


def test_rows_with_labels_and_columns_of_their_own_are_read(jsonl, criterion):
    file = jsonl([{"input": "one", "label": "off the scale", "session": 7}, {"input": "two", "labels": "broken"}])
    found = read_unlabelled(file, criterion)
    assert [(example.id, example.input) for example in found.examples] == [("1", "one"), ("2", "two")]
    assert found.malformed == 0


def test_the_same_text_twice_is_two_rows_of_traffic(jsonl, criterion):
    found = read_unlabelled(jsonl([{"id": "a", "input": "same"}, {"id": "a", "input": "same"}]), criterion)
    assert len(found.examples) == 2


def test_columns_are_mapped_and_messages_are_spoken(jsonl, reply_criterion):
    mapped = read_unlabelled(jsonl([{"ask": "q", "reply": "a"}]), reply_criterion, {"input": "ask", "output": "reply"})
    said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    spoken = read_unlabelled(jsonl([{"messages": said}]), reply_criterion)
    assert mapped.examples[0].content() == spoken.examples[0].content() == {"input": "q", "output": "a"}


def test_a_few_rows_with_nothing_to_judge_are_counted(jsonl, criterion):
    rows = [{"input": f"row {number}"} for number in range(39)]
    found = read_unlabelled(jsonl([*rows, "not JSON", {"output": "not read"}]), criterion)
    assert (len(found.examples), found.malformed) == (39, 2)


def test_many_such_rows_refuse_the_file(jsonl, criterion):
    with pytest.raises(InputError, match=r"at most 5%.*2 of 20; row 1: Nothing to judge"):
        read_unlabelled(jsonl([*[{"text": "x"}] * 2, *[{"input": "x"}] * 18]), criterion)


def test_no_rows_no_file_and_an_unknown_field(jsonl, criterion, tmp_path):
    with pytest.raises(InputError, match="holds no rows"):
        read_unlabelled(jsonl([""]), criterion)
    with pytest.raises(NotFoundError):
        read_unlabelled(tmp_path / "absent.jsonl", criterion)
    with pytest.raises(InputError, match="did you mean 'input'"):
        read_unlabelled(jsonl([{"input": "x"}]), criterion, {"inptu": "text"})
