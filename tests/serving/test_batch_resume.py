"""A run that is killed goes on by the same command, without a lost or doubled row."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from plain_judge import ROWS, PlainJudge

from assay.ingest.mapping import FieldMapping
from assay.schema.errors import ConflictError
from assay.schema.example import Example
from assay.schema.verdict import Verdict
from assay.serving.batch import BatchSettings, judge_file, part_files
from assay.serving.batch.part_files import PartPaths
from assay.serving.batch.sole_writer import sole_writer

HERE = Path(__file__).parent
Write = Callable[..., Path]
Read = Callable[[Path], list[dict[str, Any]]]


class CrashError(Exception):
    """What the judge below dies of."""


@dataclass(frozen=True, kw_only=True)
class CrashingJudge(PlainJudge):
    """Gives so many verdicts and dies."""

    verdicts: int

    def judge_many(self, examples: Iterable[Example], on_batch: object = None) -> Iterator[Verdict]:
        for verdict in super().judge_many(examples):
            if self.verdicts == 0:
                raise CrashError
            object.__setattr__(self, "verdicts", self.verdicts - 1)
            yield verdict


@pytest.fixture
def every_row_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_files, "COMMIT_EVERY_S", 0.0)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_killed_at_random_moments(suffix: str, write: Write, read: Read, tmp_path: Path) -> None:
    rows = [dict(ROWS[n % 10], id=n, output=f"text {n}") if n % 7 else "{broken" for n in range(300)]
    source, out, calm = write(rows), tmp_path / f"out{suffix}", tmp_path / f"calm{suffix}"
    judge_file(PlainJudge(), source, calm, BatchSettings())
    chance = random.Random(suffix)
    kills = 0
    while not _finished(source, out, kill_after_s=chance.uniform(0.0, 0.15) if kills < 3 else None):
        kills += 1
    assert kills == 3
    assert read(out) == read(calm)
    assert _name(out, ".rejected.jsonl").read_bytes() == _name(calm, ".rejected.jsonl").read_bytes()
    assert not [path for path in tmp_path.iterdir() if ".part" in path.name]


def _finished(source: Path, out: Path, kill_after_s: float | None) -> bool:
    """Judge 300 rows at 2 ms each; kill some time after the journal came to be."""
    command = [sys.executable, str(HERE / "plain_judge.py"), str(source), str(out), "0.002", "16"]
    with subprocess.Popen(command) as process:
        if kill_after_s is not None:
            journal = _name(out, ".part.json")
            before = journal.stat().st_mtime_ns if journal.exists() else None
            while not journal.exists() or journal.stat().st_mtime_ns == before:
                assert process.poll() is None
                time.sleep(0.002)
            time.sleep(kill_after_s)
            process.send_signal(signal.SIGKILL)
        status = process.wait()
    assert status in (0, -signal.SIGKILL)
    return status == 0


def _name(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv.gz"])
def test_killed_at_every_step_in_the_file_system(suffix: str, write: Write, read: Read, tmp_path: Path) -> None:
    rows = [ROWS[0], "{broken", ROWS[1]]
    source, root = write(rows), tmp_path / "steps"
    root.mkdir()
    judge_file(PlainJudge(), source, tmp_path / f"calm{suffix}", BatchSettings())
    command = [sys.executable, str(HERE / "kill_steps.py"), str(source), str(root), suffix]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    steps = int(done.stdout.split()[-1])
    assert steps > 20
    for step in range(1, steps + 1):
        folder = root / str(step)
        assert read(folder / f"out{suffix}") == read(tmp_path / f"calm{suffix}")
        assert (folder / f"out{suffix}.rejected.jsonl").read_bytes() == (
            tmp_path / f"calm{suffix}.rejected.jsonl"
        ).read_bytes()
        assert {path.name for path in folder.iterdir()} <= {
            f"out{suffix}",
            f"out{suffix}.rejected.jsonl",
            f"out{suffix}.part.lock",  # of a run that was killed when all else was done
        }


@pytest.mark.usefixtures("every_row_commits")
@pytest.mark.parametrize("verdicts", [0, 1, 3, 4, 5, 7, 9])
def test_goes_on_after_the_last_committed_row(verdicts: int, write: Write, read: Read, tmp_path: Path) -> None:
    source, out = write([*ROWS[:5], "{", *ROWS[5:]]), tmp_path / "out.jsonl"
    settings = BatchSettings(window_rows=4)
    with pytest.raises(CrashError):
        judge_file(CrashingJudge(verdicts=verdicts), source, out, settings)
    assert not out.exists()
    result = judge_file(PlainJudge(), source, out, settings)
    assert result.resumed_from >= verdicts
    assert [row["id"] for row in read(out)] == [row["id"] for row in ROWS]
    assert (result.rows, result.decided, result.set_aside) == (11, 10, 1)
    assert sum(result.by_label.values()) == 10


def test_what_was_not_committed_is_judged_again(write: Write, read: Read, tmp_path: Path) -> None:
    source, out = write(ROWS), tmp_path / "out.jsonl"
    with pytest.raises(CrashError):
        judge_file(CrashingJudge(verdicts=7), source, out, BatchSettings())
    assert len(_name(out, ".part").read_bytes().splitlines()) == 7  # written, but no commit was due
    assert judge_file(PlainJudge(), source, out, BatchSettings()).resumed_from == 0
    assert [row["id"] for row in read(out)] == [row["id"] for row in ROWS]


def _interrupted(write: Write, tmp_path: Path) -> tuple[Path, Path]:
    source, out = write(ROWS), tmp_path / "out.jsonl"
    with pytest.raises(CrashError):
        judge_file(CrashingJudge(verdicts=5), source, out, BatchSettings())
    return source, out


@pytest.mark.usefixtures("every_row_commits")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "plain-00000002"}, r"another judge \(plain-00000001\)"),
        ({"mapping": FieldMapping(columns={"output": "input"})}, "other settings"),
        ({"rows": [*ROWS, ROWS[0]]}, "another input"),
    ],
)
def test_another_run_does_not_go_on_with_this_one(
    change: dict[str, Any], says: str, write: Write, read: Read, tmp_path: Path
) -> None:
    _, out = _interrupted(write, tmp_path)
    source = write(change.get("rows", ROWS)) if "rows" in change else tmp_path / "in.jsonl"
    judge = replace(PlainJudge(), **{name: value for name, value in change.items() if name == "id"})
    settings = BatchSettings(**{name: value for name, value in change.items() if name == "mapping"})
    with pytest.raises(ConflictError, match=f"{says}.*--restart"):
        judge_file(judge, source, out, settings)
    assert len(_name(out, ".part").read_bytes().splitlines()) == 5
    result = judge_file(judge, source, out, replace(settings, restart=True))
    assert result.resumed_from == 0
    assert len(read(out)) == result.rows == len(change.get("rows", ROWS))
    assert {row["verdict_judge"] for row in read(out)} == {judge.id}


@pytest.mark.usefixtures("every_row_commits")
def test_part_files_that_lost_rows_are_not_gone_on_with(write: Write, tmp_path: Path) -> None:
    source, out = _interrupted(write, tmp_path)
    _name(out, ".part").write_bytes(b"")
    with pytest.raises(ConflictError, match="lost"):
        judge_file(PlainJudge(), source, out, BatchSettings())
    _name(out, ".part.json").write_text("{}")
    with pytest.raises(ConflictError, match="not the journal"):
        judge_file(PlainJudge(), source, out, BatchSettings())


@pytest.mark.usefixtures("every_row_commits")
def test_an_output_that_came_meanwhile_is_not_replaced(write: Write, tmp_path: Path) -> None:
    source, out = _interrupted(write, tmp_path)
    out.write_text("mine")
    with pytest.raises(ConflictError, match="there already"):
        judge_file(PlainJudge(), source, out, BatchSettings())
    assert out.read_text() == "mine"


def test_two_runs_do_not_write_one_output(write: Write, tmp_path: Path) -> None:
    source, out = write(ROWS), tmp_path / "out.jsonl"
    paths = PartPaths.of(out, plain_jsonl=True)
    with sole_writer(paths.lock, out), pytest.raises(ConflictError, match="Another process is writing"):
        judge_file(PlainJudge(), source, out, BatchSettings())
    judge_file(PlainJudge(), source, out, BatchSettings())
    assert len(out.read_text().splitlines()) == 10


def test_the_journal_names_rows_and_bytes(write: Write, tmp_path: Path, every_row_commits: None) -> None:
    _, out = _interrupted(write, tmp_path)
    journal = json.loads(_name(out, ".part.json").read_text())
    assert journal["tally"]["rows"] == 5
    assert journal["output_bytes"] == len(_name(out, ".part").read_bytes())
    assert journal["task"]["judge"] == "plain-00000001"
