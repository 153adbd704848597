"""Shared by the tests of serving: input files, and what stands in an output file of any format."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

Rows = list[dict[str, Any]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows in the format of the name's suffix."""

    def make(rows: list[Any], name: str = "in.jsonl") -> Path:
        path = tmp_path / name
        if ".parquet" in name:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
            return path
        with gzip.open(path, "wt") if name.endswith(".gz") else path.open("w") as file:
            if ".csv" in name:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            else:
                file.writelines((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
        return path

    return make


@pytest.fixture
def read() -> Callable[[Path], Rows]:
    """The rows of an output, the verdict always as flat `verdict_…` values; what is absent or empty is left out."""

    def take(path: Path) -> Rows:
        if ".parquet" in path.name:
            rows = pyarrow.parquet.read_table(path).to_pylist()
        else:
            with gzip.open(path, "rt", newline="") if path.name.endswith(".gz") else path.open(newline="") as file:
                rows = list(csv.DictReader(file)) if ".csv" in path.name else [flat(json.loads(line)) for line in file]
        return [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]

    return take


def flat(row: dict[str, Any]) -> dict[str, Any]:
    verdict = row.pop("verdict")
    return {**row, **{f"verdict_{name}": value for name, value in verdict.items()}}
