"""Shared by the tests of the ingest: criteria, files, a database, the folder of real data."""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.ingest.labelled import ImportSettings
from assay.ingest.mapping import FieldMapping
from assay.schema.criterion import Criterion, Level, Scale
from assay.store.database import Database, open_database


@pytest.fixture
def criterion() -> Criterion:
    scale = Scale(kind="binary", levels=(Level(label="toxic"), Level(label="not_toxic")), positive="toxic")
    return Criterion(name="toxicity", version="1", question="Is it toxic?", reads=("input",), scale=scale)


@pytest.fixture
def reply_criterion() -> Criterion:
    scale = Scale(kind="binary", levels=(Level(label="yes"), Level(label="no")), positive="yes")
    return Criterion(name="advice", version="1", question="Is it advice?", reads=("input", "output"), scale=scale)


@pytest.fixture
def crowd() -> FieldMapping:
    return FieldMapping(label_source="crowd")


@pytest.fixture
def settings(crowd: FieldMapping, tmp_path: Path) -> ImportSettings:
    return ImportSettings(mapping=crowd, set_aside_dir=tmp_path / "set-aside")


@pytest.fixture
def jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write rows (objects as JSON, text as it is) to a file."""

    def write(rows: list[Any], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        data = "\n".join(lines).encode("utf-8", "surrogatepass") + b"\n"
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'assay.db'}")
    yield opened
    opened.close()


@pytest.fixture
def bench_data() -> Path:
    """The folder of real data; a test that needs it is skipped where it is not."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("ASSAY_BENCH_DATA", root / "../shared/data"))
    if not folder.is_dir():
        pytest.skip(f"the real data is not at {folder} (ASSAY_BENCH_DATA)")
    return folder
