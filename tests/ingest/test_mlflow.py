"""MLflow's traces, written by its own tracking, as JSON and in its SQLite store."""

import gzip
import json
import sqlite3

import pytest
from exchange_files import ANSWERS, FOLDER, GIVEN, QUESTIONS, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError, IntegrityError

TRACES = FOLDER / "mlflow" / "traces.jsonl"
CROWD = FieldMapping(label_source="crowd")


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(gzip.decompress(TRACES.with_name("mlflow.db.gz").read_bytes()))
    return path


@pytest.fixture(params=["traces.jsonl", "mlflow.db"])
def path(request, store):
    return TRACES if request.param == "traces.jsonl" else store


def test_feedback_of_people_and_of_a_judge_are_labels_of_their_own(path):
    found = read(path, CROWD)
    assert (found.reading.account.format, found.reading.account.question) == ("mlflow", "advice")
    assert (found.said("input"), found.said("output")) == (QUESTIONS, ANSWERS)
    assert [row["mia"] for row in found.opinions()] == [(label, "crowd") for label in GIVEN]
    assert [row.get("ben") for row in found.opinions()[:4]] == [("advice", "crowd")] * 3 + [None]
    assert {row["gpt-judge"] for row in found.opinions()} == {("no_advice", "teacher")}
    mia = next(label for label in found.rows[0].labels if label.labeller == "mia")
    assert mia.explanation == "It is advice."
    assert mia.created_at.startswith("20")
    assert found.left_out == {"assessments of 'short'": 6}


def test_what_a_retriever_found_is_the_context_and_an_expectation_the_reference(path):
    found = read(path, CROWD)
    assert set(found.said("context")) == {"We do not give investment advice."}
    assert found.said("reference") == [None, "It holds an index.", None, None, None, None]
    assert found.rows[0].example.meta["trace_id"].startswith("tr-")


def test_feedback_of_code_is_a_rules_label(path):
    found = read(path, FieldMapping(labels={"true": "no_advice", "false": "advice"}), question="short")
    short = ["no_advice" if len(answer) < 50 else "advice" for answer in ANSWERS]
    assert found.opinions() == [{"length.py": (label, "rule")} for label in short]


def test_both_files_of_one_store_say_the_same(store):
    assert [row.example for row in read(TRACES, CROWD).rows] == [row.example for row in read(store, CROWD).rows]


def test_a_list_of_traces_and_a_single_one(tmp_path):
    traces = [json.loads(line) for line in TRACES.read_text().splitlines()]
    (tmp_path / "all.json").write_text(json.dumps(traces))
    (tmp_path / "one.json").write_text(json.dumps(traces[0]))
    assert len(read(tmp_path / "all.json", CROWD).rows) == 6
    assert read(tmp_path / "one.json", CROWD).said("input") == QUESTIONS[:1]


def test_a_trace_without_its_spans_is_set_aside(tmp_path):
    lines = TRACES.read_text().splitlines()
    bare = json.loads(lines[0])
    bare["data"]["spans"] = []
    path = tmp_path / "traces.jsonl"
    path.write_text("\n".join([lines[1], json.dumps(bare), "{"]))
    found = read(path, CROWD)
    assert (len(found.rows), found.reading.malformed) == (1, 2)
    assert "export the traces as JSON" in found.reasons[0]


def test_a_store_that_is_not_mlflows_or_is_damaged_is_refused(tmp_path, store):
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE a (b)")
    with pytest.raises(InputError, match=r"no MLflow store.*no trace_info"):
        read(other, CROWD)
    store.write_bytes(store.read_bytes()[:9000])
    with pytest.raises((IntegrityError, InputError), match=r"cannot be read as MLflow's store|no MLflow store"):
        read(store, CROWD)


def test_a_classic_evaluations_table(tmp_path):
    table = {
        "columns": ["inputs", "ground_truth", "outputs", "advice/v1/score", "advice/v1/justification"],
        "data": [["q", "r", "a", 1, "It informs."], ["q2", "r", "a2", None, None], ["short"]],
    }
    path = tmp_path / "eval_results_table.json"
    path.write_text(json.dumps(table))
    found = read(path, FieldMapping(labels={"1": "no_advice"}))
    assert found.opinions() == [{"mlflow/advice": ("no_advice", "teacher")}, {}]
    assert (found.said("input"), found.said("reference")) == (["q", "q2"], ["r", "r"])
    assert found.left_out == {"empty values of 'advice'": 1}
    assert found.reasons == ["not a row of 5 cells"]
