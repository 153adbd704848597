"""The real tools take what we export. Skipped where a tool is not installed.

`ASSAY_TOOLS` names a folder with one virtual environment a tool: `datasets`, `argilla`, `label-studio` (with httpx).
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exchange_files import FOLDER, advice, read
from test_exporting import rows

from assay.ingest.exporting.formats import write_export
from assay.ingest.mapping import FieldMapping


def run(tool, script, *arguments):
    """What the script prints in the tool's Python."""
    installed = importlib.util.find_spec(tool.replace("-", "_")) is not None
    python = (
        Path(sys.executable) if installed else Path(os.environ.get("ASSAY_TOOLS", "none")) / tool / "bin" / "python"
    )
    if not python.exists():
        pytest.skip(f"{tool} is not installed here (ASSAY_TOOLS)")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "ARGILLA_ENABLE_TELEMETRY": "0"}
    command = [str(python), str(FOLDER / "make" / script), *map(str, arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


def test_datasets_loads_the_folder(tmp_path):
    write_export(lambda: iter(rows()), advice(), "hf-dataset", tmp_path / "out")
    saw = run("datasets", "accept_datasets.py", tmp_path / "out")
    assert (saw["rows"], saw["names"]) == (3, ["advice", "no_advice"])
    assert saw["targets"] == [0, 1, None]
    assert saw["first"]["turns"] == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert [one["labeller"] for one in saw["first"]["labels"]] == ["mia", "ben", "gpt-judge", "length.py"]


def test_argilla_reads_the_folder(tmp_path):
    criterion = advice(reads=("turns", "input", "output"))
    write_export(lambda: iter(rows()), criterion, "argilla", tmp_path / "out")
    saw = run("argilla", "accept_argilla.py", tmp_path / "out")
    assert saw["fields"] == ["turns", "input", "output"]
    assert saw["labels"] == ["advice", "no_advice"]
    assert saw["responses"] == [["advice", "no_advice", "It says buy."], ["no_advice"], []]
    assert saw["suggestions"] == [["gpt-judge"], [], []]


def test_label_studio_imports_the_tasks_and_its_exports_come_back_equal(tmp_path):
    write_export(lambda: iter(rows()), advice(), "label-studio", tmp_path / "out")
    taken = run("label-studio", "accept_label_studio.py", tmp_path / "out", tmp_path)
    assert taken == {"task_count": 3, "annotation_count": 3, "prediction_count": 2}
    expected = {row.example.id: row for row in rows()}
    people = ("expert", "crowd")
    plain, snapshot = (read(tmp_path / f"{name}.json", FieldMapping()) for name in ("plain", "snapshot"))
    for row in plain.rows:
        assert row.example == expected[row.example.id].example
        assert set(row.labels) == {label for label in expected[row.example.id].labels if label.source in people}
    assert plain.left_out == {"predictions that the file names by number only": 2}
    for row in snapshot.rows:
        assert row.example == expected[row.example.id].example
        assert set(row.labels) == set(expected[row.example.id].labels)
    assert len(plain.rows) == len(snapshot.rows) == 3
    changed = read(tmp_path / "changed.json", FieldMapping(label_source="author"))
    opinions = {row.example.id: given for row, given in zip(changed.rows, changed.opinions(), strict=True)}["e1"]
    assert opinions["annotator-1"] == ("no_advice", "author")
    assert ("mia" in opinions, opinions["ben"]) == (False, ("no_advice", "crowd"))
