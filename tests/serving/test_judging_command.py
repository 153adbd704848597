"""`assay judge` on a judge folder: files, one text, refusals, a reader that leaves."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typer
from plain_judge import ROWS
from typer.testing import CliRunner, Result

from assay.cli.judging import READER_GONE, judge
from assay.models.backbone import find_backbone
from assay.models.small_judge_model import new_model, save_parts
from assay.registry.folder import write_judge_file
from assay.schema.errors import ConflictError, InputError
from assay.schema.ids import digest_files
from assay.schema.judge_version import JudgeVersion

app = typer.Typer()
app.command()(judge)
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the parts of a judge with random weights lie."""
    backbone = find_backbone(str(tiny("bert")))
    torch.manual_seed(3)
    parts = tmp_path_factory.mktemp("parts")
    save_parts(new_model(backbone, "head", 2), parts, backbone, "head")
    return parts


@pytest.fixture
def ref(folder: Path, tiny: Callable[..., Path], make_version: Callable[..., JudgeVersion]) -> str:
    """A whole judge folder, as a reference."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files.pop("judge.json", None)
    backbone = find_backbone(str(tiny("bert")))
    made = dataclasses.replace(make_version(), backbone=backbone.ref, files=digest_files(files))
    write_judge_file(folder, made)
    return str(folder)


def _run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=text)


def _value(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


def test_a_file(ref: str, write: Write, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = _run(ref, str(write([*ROWS, "{"])), "-o", str(out))
    assert done.exit_code == 0, done.exception
    assert "11 rows judged by advice-" in done.stdout
    assert "1 were set aside" in done.stdout
    assert [json.loads(line)["id"] for line in out.open()] == [row["id"] for row in ROWS]
    assert isinstance(_run(ref, str(tmp_path / "in.jsonl"), "-o", str(out)).exception, ConflictError)


def test_json_says_what_became_of_the_rows(ref: str, write: Write, tmp_path: Path) -> None:
    source = write([{"reply": "a", "output": ""}, {"reply": "b"}], "in.csv")
    options = ["-o", str(tmp_path / "out.parquet"), "--field", "output=reply", "--window", "1", "--json"]
    said = _value(_run(ref, str(source), *options))
    assert (said["rows"], said["decided"], said["set_aside"]) == (2, 2, 0)
    assert said["output"] == str(tmp_path / "out.parquet")
    assert sum(said["by_label"].values()) == 2


def test_one_text(ref: str) -> None:
    said = _value(_run(ref, "--input", "What now?", "--output", "Buy it.", "--json"))
    assert (said["kind"], said["judge"].startswith("advice-")) == ("decided", True)
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    plain = _run(ref, "--output", "Buy it.")
    assert f"{said['label']}, probability {said['probability']:.3f}" in plain.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to judge"),
        (["in.jsonl", "--output", "x"], "either a file or a text"),
        (["in.jsonl", "--json"], "give -o FILE"),
        (["--output", "x", "-o", "out.jsonl"], "printed, not written"),
        (["--output", " "], "empty"),
        (["in.jsonl", "--field", "output"], "takes a pair"),
        (["in.jsonl", "--field", "ouput=x"], "did you mean 'output'"),
        (["in.jsonl", "--field", "label=x"], "reads only what is judged"),
        (["in.jsonl", "--window", "0"], "window_rows"),
        (["in.jsonl", "--out-format", "parquet"], "standard output"),
    ],
)
def test_refusals(arguments: list[str], says: str, ref: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(ROWS).parent)
    done = _run(ref, *arguments)
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)


def test_a_reader_that_leaves_ends_it_quietly(ref: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(typer.Exit) as end:
            judge(ref, str(write(ROWS)))
        assert end.value.exit_code == READER_GONE
        stdout.write("what is still written at the end goes nowhere")
