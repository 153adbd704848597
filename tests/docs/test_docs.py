"""The docs fail the build when a setting, a gate, an error code, a command or a file they name is missing or gone."""

import dataclasses
import re
from pathlib import Path

import pytest
import typer

from assay import config
from assay.cli import failures
from assay.cli.app import app
from assay.cli.doctor import BROKEN_FOUND
from assay.cli.evaluation import NOT_PASSED
from assay.cli.judging import READER_GONE
from assay.server import problems
from assay.validation.gates import GateRules

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize(
    ("table", "record"),
    [
        ("store", config._Store),
        ("people", config._People),
        ("freeze", config._Freeze),
        ("training", config._Training),
        ("llm.NAME", config._Llm),
        ("spending", config.Spending),
    ],
)
def test_every_setting_is_documented(table, record):
    for field in dataclasses.fields(record):
        assert f"| `[{table}]` | `{field.name}` |" in SETTINGS


def test_every_gate_rule_is_documented_with_its_default():
    for field in dataclasses.fields(GateRules):
        row = next((line for line in SETTINGS.splitlines() if line.startswith(f"| `{field.name}` |")), "")
        documented = row.split("|")[2].strip() if row else "missing"
        assert documented in (str(field.default).lower(), f"{field.default:.2f}"), field.name


def test_every_error_code_is_documented():
    rows = [line.split("|")[1] for line in ERRORS.splitlines() if line.startswith("| `")]
    documented = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}
    sources = [path.read_text("utf-8") for path in (ROOT / "src" / "assay").rglob("*.py")]
    codes = {
        code for text in sources for code in re.findall(r'(?:^    code =|"code":) "([a-z-]+)"', text, re.MULTILINE)
    }
    codes |= {problems._code(status) for status in (400, 404, 405, 413, 418)}
    assert len(codes) > 20
    assert codes - documented == set()


def test_every_exit_status_is_documented():
    statuses = {NOT_PASSED, BROKEN_FOUND, failures.REFUSED, failures.BROKEN, failures.STOPPED, READER_GONE}
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", ERRORS, re.MULTILINE)}
    assert documented == {0} | statuses


def test_commands_that_the_pages_name_exist():
    group = typer.main.get_command(app)
    named = {
        words
        for page in PAGES
        for words in re.findall(r"(?:`|    )assay ([a-z]+(?: [a-z]+(?:-[a-z]+)*)?)", page.read_text("utf-8"))
    }
    assert len(named) > 8
    for words in named:
        first, *rest = words.split()
        assert first in group.commands, words
        inner = getattr(group.commands[first], "commands", None)
        if inner is not None:
            assert rest[:1], words
            assert rest[0] in inner, words


def test_make_targets_that_the_pages_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        for target in re.findall(r"(?:`|^    )make ([a-z]+)", page.read_text("utf-8"), flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{page.name}: make {target}"


def test_files_that_the_readme_names_exist():
    for path in re.findall(r"`((?:docs|benchmarks)/[\w./-]+|[A-Z]+\.md|constraints\.txt)`", README):
        assert (ROOT / path).exists(), path
    tree = README.split("    src/assay/\n")[1].split("\n\n")[0]
    for folder in re.findall(r"^      (\w+)/ ", tree, flags=re.MULTILINE):
        assert (ROOT / "src" / "assay" / folder).is_dir(), folder


def test_every_page_of_decisions_is_listed():
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"({page.name})" in index
