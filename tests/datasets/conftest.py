"""Shared by the tests of the datasets: labelled rows, a store to freeze from, the folder of real data."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.example import Example
from assay.schema.label import Label
from assay.store import criteria, examples
from assay.store.blobs import Blobs
from assay.store.database import Database, open_database

SYLLABLES = ("ba", "cor", "du", "fen", "gil", "hom", "ji", "kar", "lu", "mon", "nep", "ov", "pra", "qui", "ros", "tam")


@pytest.fixture
def criterion() -> Criterion:
    scale = Scale(kind="binary", levels=(Level(label="yes"), Level(label="no")), positive="yes")
    return Criterion(name="advice", version="1", question="Is it advice?", reads=("output",), scale=scale)


@pytest.fixture
def make_label() -> Callable[..., Label]:
    def make(value: str = "yes", labeller: str = "mia", source: str = "expert", **changes: object) -> Label:
        given = {"example_id": "e1", "value": value, "labeller": labeller, "source": source, "criterion": "advice/1"}
        return Label(**{**given, **changes})

    return make


@pytest.fixture
def make_row(make_label: Callable[..., Label]) -> Callable[..., tuple[Example, tuple[Label, ...]]]:
    """A row of made-up words that no other number has; its id and its text follow from the number."""

    def make(
        number: int, value: str = "yes", source: str = "expert", **changes: object
    ) -> tuple[Example, tuple[Label, ...]]:
        digits = hashlib.sha256(str(number).encode()).hexdigest()[:24]
        text = "".join(SYLLABLES[int(digit, 16)] + " " * (place % 3 == 2) for place, digit in enumerate(digits))
        example = Example(**{"id": f"e{number:05}", "output": text.strip(), **changes})
        return example, (make_label(value, source=source, example_id=example.id),)

    return make


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'assay.db'}")
    yield opened
    opened.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


@pytest.fixture
def fill(criterion: Criterion) -> Callable[..., None]:
    """Put labelled rows into a database."""

    def fill_in(database: Database, rows: list[tuple[Example, tuple[Label, ...]]]) -> None:
        with database.begin() as connection:
            criteria.record(connection, criterion)
            labels = [label for _, given in rows for label in given]
            examples.add(connection, [example for example, _ in rows], labels, None)

    return fill_in


@pytest.fixture
def bench_data() -> Path:
    """The folder of real data; a test that needs it is skipped where it is not."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("ASSAY_BENCH_DATA", root / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder} (ASSAY_BENCH_DATA)")
    return folder
