"""A workspace to run commands in, and rows that a tiny backbone learns in seconds."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assay.cli.app import app

WORDS = (
    *("weather", "food", "garden", "river", "night", "home", "school", "health", "work", "city", "music", "travel"),
    *("mountain", "day", "sport", "money", "bond", "loan", "price", "company", "state", "rates", "shares", "wait"),
    *("question", "answer", "letter", "system", "tool", "hello", "help", "brief", "result", "rise", "fall", "time"),
)
SIGNS = {"advice": ("buy", "sell"), "no_advice": ("read", "says")}
CRITERION = """
name = "advice"
version = "1"
question = "Is it advice?"
reads = ["input", "output"]
base_rate = 0.2
[scale]
kind = "binary"
positive = "advice"
[[scale.levels]]
label = "no_advice"
[[scale.levels]]
label = "advice"
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def error(self) -> dict[str, str]:
        """The refusal as JSON."""
        assert self.status == 2, (self.status, self.out, self.err)
        return self.json["error"]


def run_in(folder: Path, *words: str) -> Ended:
    """Run a command in this process, as from a shell in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, list(words))
    return Ended(status=result.exit_code, out=result.stdout, err=result.stderr)


def labelled_rows(count: int, *, seed: int = 0, source: str = "expert") -> list[dict[str, Any]]:
    """Rows whose label hangs on one word, for both classes alike, each seen by two labellers."""
    numbers = random.Random(seed)
    return [_row(place, numbers, source) for place in range(count)]


def _row(place: int, numbers: random.Random, source: str) -> dict[str, Any]:
    label = ("advice", "no_advice")[place % 2]
    words = numbers.choices(WORDS, k=numbers.randint(9, 16))
    words.insert(numbers.randint(0, len(words)), numbers.choice(SIGNS[label]))
    labels = [{"value": label, "labeller": name, "source": source} for name in ("mia", "ada")]
    return {"id": f"row-{place}", "input": "what now", "output": " ".join(words), "labels": labels}


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes, the database's own files left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "assay.db" not in path.name
    }


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A workspace and what one does in it."""

    root: Path
    backbone: str

    def run(self, *words: str) -> Ended:
        """Run a command in the workspace."""
        return run_in(self.root, *words)

    def ok(self, *words: str) -> dict[str, Any]:
        """Run a command with --json that must succeed; its object."""
        ended = self.run(*words, "--json")
        assert ended.status == 0, (words, ended.out, ended.err)
        return ended.json

    @property
    def train_words(self) -> list[str]:
        """The command of the training."""
        sizes = ["--epochs", "6", "--batch-size", "16", "--max-tokens", "64", "--learning-rate", "2e-3"]
        return ["train", "advice", "--backbone", self.backbone, *sizes]
