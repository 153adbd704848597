"""House rules of the command line, held against every command there is."""

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer
from rich.text import Text
from shop import run_in

from assay.cli import importing, registry
from assay.cli.app import app

Path = tuple[str, ...]
HEAVY = {"torch", "transformers", "numpy", "scipy", "sklearn", "sqlalchemy", "alembic", "pyarrow", "matplotlib"}


def commands(group: typer.Typer, path: Path = ()) -> Iterator[tuple[Path, typer.models.CommandInfo]]:
    for info in group.registered_commands:
        yield (*path, info.name), info
    for below in group.registered_groups:
        yield from commands(below.typer_instance, (*path, below.name))


EVERY = list(commands(app))
NAMES = [" ".join(path) for path, _ in EVERY]


def test_the_promised_commands_are_there():
    promised = "init|data import|data check|data freeze|data list|train|evaluate|gate|card|promote|rollback|alias|judge"
    labelling = "data next|label serve|label export|label queue make|label queue list|label queue show"
    labelling += "|label queue close|label labellers add|label labellers list|label labellers remove"
    promised += "|serve|keys add|keys list|keys revoke|certify|quantize|fallback|escalation|spending"
    promised += "|data audit|data agreement|data consensus|criteria diff|criteria sample|probe"
    promised += "|data hard-negatives|data contrast|compare|data export|verdicts refused|verdicts recover"
    promised += "|data augment make|data augment sample|data augment accept|data augment show|data augment list"
    assert set(f"{promised}|{labelling}|list|show|verify|adopt|history|doctor|demo".split("|")) == set(NAMES)


@pytest.mark.parametrize(("path", "info"), EVERY, ids=NAMES)
def test_help_explains_with_an_example(path, info, tmp_path):
    ended = run_in(tmp_path, *path, "--help")
    assert ended.status == 0
    assert "--json" in ended.out
    assert "--workspace" in ended.out
    text = inspect.getdoc(info.callback)
    assert f"\n\nExample: assay {' '.join(path)}" in text
    for parameter in inspect.signature(info.callback, eval_str=True).parameters.values():
        if parameter.annotation is not typer.Context:
            assert parameter.annotation.__metadata__[0].help, parameter.name


@pytest.mark.parametrize(("path", "info"), EVERY, ids=NAMES)
def test_nothing_in_a_help_text_is_taken_for_markup(path, info):
    for parameter in inspect.signature(info.callback, eval_str=True).parameters.values():
        if parameter.annotation is not typer.Context:
            text = parameter.annotation.__metadata__[0].help
            assert Text.from_markup(text).plain == text


@pytest.mark.parametrize(("path", "info"), EVERY, ids=NAMES)
def test_with_json_stdout_holds_one_object_whatever_happens(path, info, tmp_path):
    if path == ("demo",):
        (tmp_path / "assay-demo").write_text("in the way")
    parameters = inspect.signature(info.callback, eval_str=True).parameters.values()
    words = [
        word
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty and parameter.annotation is not typer.Context
        for word in (("--criterion", "advice") if parameter.name == "criterion" and path[0] == "data" else ("advice",))
    ]
    if path == ("data", "freeze"):
        words = ["advice"]
    if path == ("judge",):
        words += ["in.jsonl", "-o", "out.jsonl"]
    ended = run_in(tmp_path, *path, *words, "--json")
    (line,) = ended.out.splitlines()
    values = json.loads(line)
    if path in (("init",), ("doctor",)):
        assert (ended.status, "error" in values) == (0, False)
    else:
        assert (ended.status, set(values)) == (2, {"error"})
        assert {"code", "problem"} <= values["error"].keys()


def test_import_and_check_take_the_same_options():
    assert inspect.signature(importing.import_data).parameters == inspect.signature(importing.check).parameters


def test_help_loads_nothing_heavy():
    script = (
        "import sys; from assay.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_an_unexpected_error_is_one_line_unless_debugging(tmp_path, monkeypatch):
    run_in(tmp_path, "init")
    monkeypatch.setattr(registry, "open_workspace", lambda directory: 1 / 0)
    plain = run_in(tmp_path, "list")
    assert (plain.status, plain.out) == (70, "")
    assert "Assay made a mistake: ZeroDivisionError: division by zero" in plain.err
    assert "Traceback" not in plain.err
    assert run_in(tmp_path, "list", "--json").json["error"]["code"] == "internal"
    assert "Traceback" in run_in(tmp_path, "list", "--debug").err
    assert "Traceback" in run_in(tmp_path, "--debug", "list").err
    monkeypatch.setenv("ASSAY_DEBUG", "1")
    assert "Traceback" in run_in(tmp_path, "list").err


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(directory: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "open_workspace", stop)
    ended = run_in(tmp_path, "list")
    assert ended.status == 130
    assert "the same command goes on from here" in ended.err
