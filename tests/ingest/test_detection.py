"""Telling which tool wrote a file."""

import gzip
import json

import pytest
from exchange_files import FOLDER

from assay.ingest.exchange.detection import told_format
from assay.ingest.exchange.formats import exchange_format
from assay.schema.errors import InputError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("label_studio/project.json", "label-studio"),
        ("argilla", "argilla"),
        ("argilla/records.json", "argilla"),
        ("hf/saved", "hf-dataset"),
        ("hf/saved_splits", "hf-dataset"),
        ("hf/replies.parquet", "hf-dataset"),
        ("promptfoo/results.json", "promptfoo"),
        ("promptfoo/results.jsonl", "promptfoo"),
        ("deepeval/run.json", "deepeval"),
        ("deepeval/conversation.json", "deepeval"),
        ("deepeval/latest_test_run.json", "deepeval"),
        ("inspect/advice.eval", "inspect"),
        ("inspect/advice.json", "inspect"),
        ("mlflow/traces.jsonl", "mlflow"),
        ("hf/replies.jsonl", None),
    ],
)
def test_every_tools_file_is_told_from_what_is_in_it(path, name):
    assert told_format(FOLDER / path) == name


def test_a_sqlite_store_is_told_by_its_first_bytes(tmp_path):
    path = tmp_path / "store"
    path.write_bytes(gzip.decompress((FOLDER / "mlflow/mlflow.db.gz").read_bytes()))
    assert told_format(path) == "mlflow"


@pytest.mark.parametrize("line", ['{"input": "a", "label": "x"}', "", "{broken", "[1]", '{"data": {"a": 1}}'])
def test_rows_of_our_own_are_none_of_the_tools(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n")
    assert told_format(path) is None


def test_a_name_with_a_typo_is_refused_with_the_one_meant(tmp_path):
    with pytest.raises(InputError, match="did you mean 'promptfoo'"):
        exchange_format(tmp_path / "x.json", "promptfo")


def test_unknown_json_is_refused_with_what_is_known(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"rows": []}))
    with pytest.raises(InputError, match="label-studio, argilla"):
        exchange_format(path, None)
