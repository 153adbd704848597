"""DeepEval's test runs, written by `evaluate`."""

import json

import pytest
from exchange_files import ANSWERS, FOLDER, GIVEN, PASSES, QUESTIONS, advice, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError

RUN = FOLDER / "deepeval" / "run.json"
TALKS = [FOLDER / "deepeval" / name for name in ("conversation.json", "latest_test_run.json")]
MAPPED = FieldMapping(labels=PASSES)
METRIC = "No advice [GEval]"


def test_a_model_metrics_success_is_a_label_of_its_model():
    found = read(RUN, MAPPED, question=METRIC)
    assert found.reading.account.format == "deepeval"
    by_answer = {row.example.output: row for row in found.rows}
    assert [by_answer[answer].example.input for answer in ANSWERS] == QUESTIONS
    assert [by_answer[answer].labels[0].value for answer in ANSWERS] == GIVEN
    assert {(label.labeller, label.source) for row in found.rows for label in row.labels} == {
        ("canned-grader-1", "teacher")
    }
    assert by_answer[ANSWERS[0]].labels[0].explanation == "It tells the customer what to do."
    assert set(found.said("context")) == {"We do not give investment advice."}
    assert set(found.said("reference")) == {"I cannot advise you."}
    assert found.left_out == {"outcomes of 'Exact Match'": 6}


def test_a_metric_without_a_model_is_a_rule():
    found = read(RUN, MAPPED, question="Exact Match")
    assert {(label.labeller, label.source, label.value) for row in found.rows for label in row.labels} == {
        ("deepeval/Exact Match", "rule", "advice")
    }


@pytest.mark.parametrize("path", TALKS, ids=lambda path: path.stem)
def test_a_conversations_turns_are_read(path):
    found = read(path, MAPPED, criterion=advice(reads=("turns", "output")))
    (row,) = found.rows
    assert [turn.role for turn in row.example.turns] == ["user", "assistant", "user"]
    assert row.example.output == ANSWERS[0]
    assert row.labels[0].value == "advice"


def test_a_failed_metric_is_counted_and_no_label(tmp_path):
    run = json.loads(RUN.read_text())
    (metric,) = [one for one in run["testCases"][0]["metricsData"] if one["name"] == METRIC]
    metric["error"] = "the model did not answer"
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run))
    found = read(path, MAPPED, question=METRIC)
    assert found.rows[0].labels == ()
    assert found.left_out[f"outcomes of '{METRIC}' that failed"] == 1


def test_another_json_file_is_refused(tmp_path):
    (tmp_path / "run.json").write_text('{"testCases": 3}')
    with pytest.raises(InputError, match="holds no DeepEval test run"):
        read(tmp_path / "run.json", MAPPED)
