"""Which tool wrote a file, told from what is in it.

`told_format(path)` gives a format, or None where the file is one of our own kinds (or nothing known). JSON and
Parquet are looked into.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pyarrow
import pyarrow.parquet

from assay.ingest.exchange import argilla, label_studio
from assay.ingest.exchange.arrow_files import DATASET_DICT, STATE
from assay.ingest.exchange.json_files import parse, read_json
from assay.ingest.exchange.mlflow_store import is_sqlite
from assay.ingest.exchange.mlflow_table import is_table
from assay.ingest.jsonl import numbered_lines
from assay.schema.errors import InputError

ExchangeFormat: TypeAlias = Literal[
    "label-studio", "argilla", "hf-dataset", "promptfoo", "deepeval", "inspect", "mlflow"
]
EXCHANGE_FORMATS: tuple[ExchangeFormat, ...] = get_args(ExchangeFormat)
_BY_SUFFIX: Mapping[str, ExchangeFormat] = {".eval": "inspect", ".arrow": "hf-dataset"}
_LOOKED_AT = 20  # items of a list: the first ones may be malformed
_PROMPTFOO = ("promptIdx", "testIdx", "testCase")


def told_format(path: Path) -> ExchangeFormat | None:
    """The tool whose file this is. Raises InputError where a `.json` file is none."""
    if not path.is_file():
        return _of_folder(path) if path.is_dir() else None
    suffix = path.suffix.lower()
    if suffix == ".json":
        return of_value(read_json(path))
    if suffix in (".jsonl", ".ndjson"):
        return _of_first_line(path)
    if suffix == ".parquet":
        return "hf-dataset" if _has_features(path) else None
    return _BY_SUFFIX.get(suffix) or ("mlflow" if is_sqlite(path) else None)


def of_value(value: Any) -> ExchangeFormat | None:
    """The tool that writes such a JSON value."""
    if isinstance(value, list):
        told = (_of_item(item) for item in value[:_LOOKED_AT] if isinstance(item, Mapping))
        return next((name for name in told if name), None)
    if not isinstance(value, Mapping):
        return None
    if "testCases" in value or "conversationalTestCases" in value or "testRunData" in value:
        return "deepeval"
    if isinstance(value.get("eval"), Mapping) and ("samples" in value or "plan" in value):
        return "inspect"
    if is_table(value):
        return "mlflow"
    return "promptfoo" if "evalId" in value and "results" in value else _of_item(value)


def _of_item(item: Mapping[str, Any]) -> ExchangeFormat | None:
    if isinstance(item.get("data"), Mapping) and ("annotations" in item or "predictions" in item):
        return "label-studio"
    if "annotation_id" in item and "annotator" in item:
        return "label-studio"
    if isinstance(item.get("fields"), Mapping) and ("responses" in item or "suggestions" in item):
        return "argilla"
    info = item.get("info")
    if isinstance(info, Mapping) and ("trace_id" in info or "request_id" in info) and "data" in item:
        return "mlflow"
    return "promptfoo" if all(name in item for name in _PROMPTFOO) else None


def _of_folder(path: Path) -> ExchangeFormat | None:
    if (path / argilla.SETTINGS_FILE).is_file() or (path / argilla.RECORDS_FILE).is_file():
        return "argilla"
    if (path / label_studio.TASKS_FILE).is_file():
        return "label-studio"
    saved = (path / DATASET_DICT).is_file() or (path / STATE).is_file()
    return "hf-dataset" if saved or any(path.rglob("*.parquet")) else None


def _of_first_line(path: Path) -> ExchangeFormat | None:
    try:
        with path.open("rb") as stream:
            number, line = next(numbered_lines(stream), (0, b""))
            value = parse(line, f"line {number}")
    except InputError:
        return None
    return _of_item(value) if isinstance(value, Mapping) else None


def _has_features(path: Path) -> bool:
    try:
        return b"huggingface" in (pyarrow.parquet.read_schema(path).metadata or {})
    except (pyarrow.ArrowException, OSError):
        return False
