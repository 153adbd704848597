"""The Arrow and Parquet files of a dataset on disk, their splits, their features and their rows.

`arrow_files(path)` takes one file, a folder of `save_to_disk` (one split, or several), or a folder with Parquet files
as a repository holds them. Knows nothing of labels.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from assay.ingest.exchange.json_files import read_json
from assay.ingest.exchange.shapes import list_of, object_of, objects_of
from assay.ingest.parquet_rows import open_parquet, read_parquet, row_of
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, NotFoundError, shown

DATASET_DICT = "dataset_dict.json"
STATE = "state.json"
_OURS = b"assay"
_FEATURES = b"huggingface"
_SPLITS = ("train", "validation", "test", "dev", "eval")


@dataclass(frozen=True, kw_only=True)
class ArrowFile:
    """One file, the split it belongs to (empty: unknown), its schema; `ours` where our own export wrote it."""

    path: Path
    split: str
    schema: pyarrow.Schema

    @property
    def ours(self) -> bool:
        """Whether our own export wrote it."""
        return _OURS in (self.schema.metadata or {})


def arrow_files(path: Path) -> list[ArrowFile]:
    """The files in reading order. Raises NotFoundError, InputError."""
    if not path.exists():
        raise NotFoundError(f"There is no file {shown(str(path))}.", next_step="check the path")
    found = [(path, "")] if path.is_file() else _in_folder(path)
    if not found:
        raise InputError(
            f"{shown(str(path))} holds no dataset.",
            required=f"what save_to_disk wrote ({STATE} and .arrow files), or .parquet files",
            got=shown(sorted(item.name for item in path.iterdir()), 200),
        )
    return [ArrowFile(path=file, split=split, schema=_schema(file)) for file, split in found]


def features_of(file: ArrowFile) -> Mapping[str, Any]:
    """The features as the library describes them (column → `{"_type": ...}`), empty entries where it does not."""
    columns: dict[str, Any] = dict.fromkeys(file.schema.names)
    try:
        told = json.loads((file.schema.metadata or {}).get(_FEATURES, b"{}"))
    except (ValueError, RecursionError):
        return columns
    features = object_of(object_of(object_of(told).get("info")).get("features"))
    return {**columns, **{name: spec for name, spec in features.items() if name in columns}}


def rows_of(file: ArrowFile) -> Iterator[ReadRow]:
    """Rows, numbered from 1 within the file. Raises InputError where it is damaged."""
    if _is_parquet(file.path):
        yield from read_parquet(open_parquet(file.path))
        return
    number = 0
    try:
        for batch in _batches(file.path):
            batch.validate(full=True)  # offsets beyond their buffer would be read, and not noticed
            for index in range(batch.num_rows):
                number += 1
                yield row_of(number, batch.slice(index, 1))
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(file.path, error) from None


def _in_folder(folder: Path) -> list[tuple[Path, str]]:
    if (folder / DATASET_DICT).is_file():
        splits = list_of(object_of(read_json(folder / DATASET_DICT)).get("splits"))
        return [pair for split in splits for pair in _saved(folder / Path(str(split)).name, str(split))]
    if (folder / STATE).is_file():
        return _saved(folder, "")
    return [(file, _split_in(file.relative_to(folder))) for file in sorted(folder.rglob("*.parquet"))]


def _saved(folder: Path, split: str) -> list[tuple[Path, str]]:
    """The files that `state.json` lists, in its order; only names in this very folder."""
    listed = objects_of(object_of(read_json(folder / STATE)).get("_data_files"))
    return [(folder / Path(str(one["filename"])).name, split) for one in listed if "filename" in one]


def _split_in(path: Path) -> str:
    parts = [*path.parts[:-1], *path.stem.split("-")]
    return next((part for part in parts if part in _SPLITS), "")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


def _schema(path: Path) -> pyarrow.Schema:
    if _is_parquet(path):
        return open_parquet(path).schema_arrow
    try:
        with pyarrow.memory_map(str(path)) as source:
            return _opened(source).schema
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(path, error) from None


def _batches(path: Path) -> Iterator[pyarrow.RecordBatch]:
    with pyarrow.memory_map(str(path)) as source:
        reader = _opened(source)
        if isinstance(reader, pyarrow.ipc.RecordBatchFileReader):
            yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
        else:
            yield from reader


def _opened(source: pyarrow.MemoryMappedFile) -> Any:
    """`save_to_disk` writes a stream; other tools write Arrow's file form under the same suffix."""
    try:
        return pyarrow.ipc.open_stream(source)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        return pyarrow.ipc.open_file(source)


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path.name} cannot be read as Arrow.", required="an undamaged Arrow file", got=str(error))
