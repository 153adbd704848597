"""Standard input and output, and memory."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plain_judge import ROWS

PROGRAM = [sys.executable, str(Path(__file__).parent / "plain_judge.py")]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)


def _run(arguments: list[str], text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], input=text, capture_output=True, text=True, cwd=folder, check=True, env=ENVIRONMENT
    )


def test_jsonl_through_pipes(tmp_path: Path) -> None:
    done = _run(["-", "-", "0", "3", "jsonl"], JSONL + "{broken\n", tmp_path)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [row["id"] for row in ROWS]
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("stdin-rejected-")
    assert json.loads(aside.read_text())["line"] == 11


def test_csv_through_pipes_keeps_its_columns(tmp_path: Path) -> None:
    text = '\ufeff"a\nb",output,blank\n"1, 2",first,\n3,zwei ü,\n'
    done = _run(["-", "-", "0", "3", "csv"], text, tmp_path)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["a\nb"], row["output"], row["blank"]) for row in rows] == [("1, 2", "first", ""), ("3", "zwei ü", "")]
    assert all(row["verdict_label"] in ("yes", "no") for row in rows)


def test_standard_input_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "out.parquet.part").write_bytes(b"left by a run that was killed")
    _run(["-", "out.parquet", "0", "3", "jsonl"], JSONL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    few, many = tmp_path / "few.jsonl", tmp_path / "many.jsonl"
    few.write_text(JSONL * 500)
    many.write_text(JSONL * 2500)
    script = (
        "import sys; from pathlib import Path; from plain_judge import PlainJudge\n"
        "from assay.serving.batch import BatchSettings, judge_file\n"
        "judge_file(PlainJudge(), Path(sys.argv[1]), Path(sys.argv[2]), BatchSettings())\n"
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    peaks = []
    for source in (few, many):
        command = [sys.executable, "-c", script, str(source), str(tmp_path / f"{source.stem}.parquet")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT)
        peaks.append(int(done.stdout))  # of the process, in KiB
    assert peaks[1] - peaks[0] < 12 << 10  # 20,000 more rows, held as objects, would be 40 MB
