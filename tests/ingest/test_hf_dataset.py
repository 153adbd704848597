"""Hugging Face datasets, written by the `datasets` library."""

import json
import shutil

import pyarrow
import pyarrow.parquet
import pytest
from exchange_files import ANSWERS, EXPERT, FOLDER, GIVEN, QUESTIONS, read

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import InputError

FILES = FOLDER / "hf"


@pytest.mark.parametrize("name", ["saved", "saved_splits", "replies.parquet"])
def test_class_labels_come_back_by_name(name):
    found = read(FILES / name)
    assert found.reading.account.format == "hf-dataset"
    assert (found.said("input"), found.said("output")) == (QUESTIONS, ANSWERS)
    assert found.opinions() == [{"expert": (label, "expert")} for label in GIVEN[:-1]] + [{}]
    assert found.reading.account.columns == {"input": "prompt", "output": "response"}


def test_the_split_of_a_row_is_kept():
    splits = [meta["split"] for meta in read(FILES / "saved_splits").said("meta")]
    assert splits == ["train"] * 4 + ["test"] * 2
    assert read(FILES / "saved").rows[0].example.meta == {"topic": "banking"}


def test_json_lines_of_the_library_are_rows_like_any_others():
    mapping = FieldMapping(
        columns={"input": "prompt", "output": "response"},
        labels={"0": "no_advice", "1": "advice"},
        label_source="expert",
        keep_extra=True,
    )
    found = read(FILES / "replies.jsonl", mapping)
    assert found.reading.account is None
    assert [row["expert"][0] for row in found.opinions()] == GIVEN[:-1]


def test_a_label_column_of_another_name(tmp_path):
    table = pyarrow.table({"input": ["q"], "output": ["a"], "verdict": ["advice"]})
    path = tmp_path / "data.parquet"
    pyarrow.parquet.write_table(table, path)
    found = read(path, format="hf-dataset", question="verdict")
    assert found.opinions() == [{"expert": ("advice", "expert")}]
    mapped = FieldMapping(columns={"label": "verdict"}, label_source="crowd")
    assert read(path, mapped, format="hf-dataset").opinions() == [{"crowd": ("advice", "crowd")}]


def test_who_gave_the_labels_must_be_said():
    with pytest.raises(InputError, match="--label-source"):
        read(FILES / "saved", FieldMapping())


def test_a_repositorys_folder_with_parquet_by_split(tmp_path):
    (tmp_path / "data").mkdir()
    shutil.copy(FILES / "replies.parquet", tmp_path / "data" / "test-00000-of-00001.parquet")
    found = read(tmp_path)
    assert {meta["split"] for meta in found.said("meta")} == {"test"}


def test_files_outside_the_folder_are_never_opened(tmp_path):
    shutil.copytree(FILES / "saved", tmp_path / "saved")
    state = json.loads((tmp_path / "saved" / "state.json").read_text())
    name = state["_data_files"][0]["filename"]
    (tmp_path / "saved" / name).rename(tmp_path / name)
    state["_data_files"][0]["filename"] = f"../{name}"
    (tmp_path / "saved" / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match="cannot be read as Arrow"):
        read(tmp_path / "saved")


def test_images_are_counted_and_left_out(tmp_path):
    features = {"input": {"dtype": "string", "_type": "Value"}, "picture": {"_type": "Image"}}
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [("input", pyarrow.string()), ("output", pyarrow.string()), ("picture", picture)],
        metadata={b"huggingface": json.dumps({"info": {"features": features}}).encode()},
    )
    rows = [{"input": "q", "output": "a", "picture": {"bytes": b"x", "path": None}}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), tmp_path / "data.parquet")
    found = read(tmp_path / "data.parquet", EXPERT)
    assert found.left_out == {"column 'picture' (image)": 1}
    assert len(found.rows) == 1


def test_offsets_beyond_their_buffer_are_noticed(tmp_path):
    """Arrow itself reads on; what lies behind the buffer would become a text."""
    path = tmp_path / "data.arrow"
    table = pyarrow.table({"output": ["x" * 61_681]})
    with pyarrow.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)
    data = path.read_bytes()
    end = (61_681).to_bytes(4, "little")
    assert data.count(end + b"xxxx") == 1  # the last offset, before the text
    path.write_bytes(data.replace(end + b"xxxx", (1 << 24).to_bytes(4, "little") + b"xxxx"))
    with pytest.raises(InputError, match="cannot be read as Arrow"):
        read(path, EXPERT, format="hf-dataset")


@pytest.mark.parametrize(
    ("file", "value"), [("state.json", []), ("state.json", {"_data_files": ["filename"]}), ("dataset_dict.json", [])]
)
def test_odd_shapes_in_a_saved_folder_are_refused(tmp_path, file, value):
    shutil.copytree(FILES / "saved", tmp_path / "saved")
    (tmp_path / "saved" / file).write_text(json.dumps(value))
    with pytest.raises(InputError, match="holds no dataset"):
        read(tmp_path / "saved", format="hf-dataset")


def test_odd_features_are_as_none(tmp_path):
    schema = pyarrow.schema([("output", pyarrow.string())], metadata={b"huggingface": b'{"info": {"features": []}}'})
    pyarrow.parquet.write_table(pyarrow.table({"output": ["a"]}, schema=schema), tmp_path / "data.parquet")
    assert len(read(tmp_path / "data.parquet", EXPERT, format="hf-dataset").rows) == 1


def test_a_damaged_file_and_an_empty_folder_are_refused(tmp_path):
    (tmp_path / "data.arrow").write_bytes((FILES / "replies.parquet").read_bytes()[:300])
    with pytest.raises(InputError, match="cannot be read as Arrow"):
        read(tmp_path / "data.arrow")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no dataset"):
        read(tmp_path / "empty", format="hf-dataset")
