"""A prompted LLM's verdicts from a file."""

import json

import pytest
from simulated_judge import binary_criterion, ordinal_criterion

from assay.ingest.examples import example_of
from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError, NotFoundError
from assay.validation.llm_verdicts import read_verdicts

CRITERION = binary_criterion()


def file_of(tmp_path, *rows):
    path = tmp_path / "llm.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_plain_rows_and_rows_that_a_judge_wrote_are_read(tmp_path):
    verdict = {"kind": "decided", "label": "education", "probabilities": {"education": 0.7, "advice": 0.3}}
    path = file_of(
        tmp_path,
        {"id": "a", "label": "advice", "probability": 0.9, "model": "gpt-x"},
        {"id": "b", "input": "?", "output": "!", "verdict": {**verdict, "judge": "advice-1"}},
        {"id": "c", "label": "advice"},
        {"id": "d", "label": None},
        {"id": "e", "verdict": {"kind": "failed", "label": None}},
        {"id": "not-wanted", "label": "advice"},
    )
    found = read_verdicts(path, CRITERION, ["a", "b", "c", "d", "e"])
    assert set(found) == {"a", "b", "c"}
    assert found["a"].probabilities == pytest.approx({"advice": 0.9, "education": 0.1})
    assert (found["a"].judge, found["b"].judge, found["c"].judge) == ("gpt-x", "advice-1", "llm.jsonl")
    assert (found["b"].label, found["b"].probability) == ("education", 0.7)
    assert found["c"].probabilities == {"education": 0.0, "advice": 1.0}


def test_columns_of_a_table_and_several_labels(tmp_path):
    path = tmp_path / "llm.csv"
    path.write_text('id,verdict_kind,verdict_label,verdict_probability,verdict_probabilities\nx,decided,2,0.4,""\n')
    (found,) = read_verdicts(path, ordinal_criterion(), ["x"]).values()
    assert found.probabilities == pytest.approx({"1": 0.2, "2": 0.4, "3": 0.2, "4": 0.2})


def test_a_row_without_an_id_is_about_its_text(tmp_path):
    texts = {"input": "May I?", "output": "Sell now."}
    example = example_of(texts, FieldMapping(), CRITERION)
    found = read_verdicts(file_of(tmp_path, {**texts, "label": "advice"}), CRITERION, [example.id])
    assert set(found) == {example.id}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": "a", "label": "advise"}], "'advise'"),
        ([{"id": "a", "answer": "advice"}], "it has no label"),
        ([{"id": "a", "label": "advice", "probability": 1.2}], "probability is none"),
        ([{"id": "a", "label": "advice"}, {"id": "a", "label": "education"}], "a second time"),
        ([{"id": "z", "label": "advice"}], "none of the examples"),
    ],
)
def test_what_is_no_verdict_is_refused(tmp_path, rows, told):
    with pytest.raises(InputError, match=told) as caught:
        read_verdicts(file_of(tmp_path, *rows), CRITERION, ["a"])
    assert caught.value.next_step


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError):
        read_verdicts(tmp_path / "none.jsonl", CRITERION, ["a"])
