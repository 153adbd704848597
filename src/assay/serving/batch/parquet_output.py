"""A finished spool as Parquet.

Rows that came from Parquet keep their columns exactly (types, metadata): they are taken from the input once more. Other
rows get a type for each column: that of its values where they are all flags, whole numbers, numbers or text; else text,
with whatever is not text as JSON.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from assay.ingest.parquet_rows import open_parquet
from assay.serving.batch.judged_rows import JudgedRow, cell, spooled_rows, verdict_columns

_BATCH_ROWS = 4096
_BATCH_CHARS = 16 << 20
_VERDICT_TYPES = {
    "probability": pyarrow.float64(),
    "latency_ms": pyarrow.float64(),
    "truncated_tokens": pyarrow.int64(),
    "explanation_cut": pyarrow.bool_(),
}
_TYPES = {
    "flag": pyarrow.bool_(),
    "exact": pyarrow.int64(),
    "long": pyarrow.int64(),
    "number": pyarrow.float64(),
    "text": pyarrow.string(),
}
_WIDER = {frozenset({"exact", "long"}): "long", frozenset({"exact", "number"}): "number"}
_EXACT_IN_FLOAT = 1 << 53
_LONG = 1 << 63


def write_parquet(spool: Path, target: Path, columns: Iterable[str], field: str) -> None:
    """Write the rows of `spool` with `columns` (those that no row fills included) before those of the verdict."""
    carried = column_types(spooled_rows(spool), columns)
    schema = pyarrow.schema([*carried.items(), *_verdict_fields(field)])
    with pyarrow.parquet.ParquetWriter(target, schema) as writer:
        for rows in _batches(spooled_rows(spool)):
            arrays = [_array([row.values.get(name) for row in rows], type_) for name, type_ in carried.items()]
            writer.write_batch(pyarrow.record_batch([*arrays, *_verdict_arrays(rows)], schema=schema))


def write_parquet_beside(spool: Path, target: Path, source: Path, columns: Sequence[str], field: str) -> None:
    """Write the rows of `source` that stand in `spool`, the named columns as they are, before those of the verdict."""
    with open_parquet(source) as file:
        kept = file.schema_arrow
        fields = [kept.field(name) for name in columns]
        schema = pyarrow.schema([*fields, *_verdict_fields(field)], metadata=kept.metadata)
        judged = _Ahead(spooled_rows(spool))
        first = 1
        with pyarrow.parquet.ParquetWriter(target, schema) as writer:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                rows = judged.below(first + batch.num_rows)
                taken = batch.take(pyarrow.array([row.number - first for row in rows], pyarrow.int64()))
                arrays = [taken.column(name) for name in columns]
                writer.write_batch(pyarrow.record_batch([*arrays, *_verdict_arrays(rows)], schema=schema))
                first += batch.num_rows


def column_types(rows: Iterable[JudgedRow], columns: Iterable[str]) -> dict[str, pyarrow.DataType]:
    """The type of each column, the named ones first; text where no row has a value.

    >>> values = [{"a": 1, "b": 2}, {"a": 0.5, "b": "x"}]
    >>> column_types([JudgedRow(number=1, values=row, verdict={}) for row in values], ["c"])
    {'c': DataType(string), 'a': DataType(double), 'b': DataType(string)}
    """
    kinds: dict[str, str | None] = dict.fromkeys(columns)
    for row in rows:
        for name, value in row.values.items():
            known, kind = kinds.setdefault(name, None), _kind(value)
            if kind is not None and kind != known:
                kinds[name] = kind if known is None else _WIDER.get(frozenset({known, kind}), "text")
    return {name: _TYPES[kind or "text"] for name, kind in kinds.items()}


def _kind(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int):
        return "exact" if abs(value) <= _EXACT_IN_FLOAT else "long" if -_LONG <= value < _LONG else "text"
    return "number" if isinstance(value, float) else "text"


def _array(values: list[Any], type_: pyarrow.DataType) -> pyarrow.Array:
    return pyarrow.array([cell(value) for value in values] if type_ == pyarrow.string() else values, type_)


def _verdict_fields(field: str) -> list[tuple[str, pyarrow.DataType] | pyarrow.Field]:
    return [
        pyarrow.field(name, _VERDICT_TYPES.get(name.removeprefix(f"{field}_"), pyarrow.string()))
        for name in verdict_columns(field)
    ]


def _verdict_arrays(rows: Sequence[JudgedRow]) -> list[pyarrow.Array]:
    parts = (name.removeprefix("_") for name in verdict_columns(""))
    return [
        _array([row.verdict.get(part) for row in rows], _VERDICT_TYPES.get(part, pyarrow.string())) for part in parts
    ]


def _batches(rows: Iterator[JudgedRow]) -> Iterator[list[JudgedRow]]:
    batch: list[JudgedRow] = []
    chars = 0
    for row in rows:
        batch.append(row)
        chars += sum(len(value) if isinstance(value, str) else len(str(value)) for value in row.values.values())
        if len(batch) == _BATCH_ROWS or chars >= _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


class _Ahead:
    """Rows in ascending order, taken up to a number."""

    def __init__(self, rows: Iterator[JudgedRow]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def below(self, number: int) -> list[JudgedRow]:
        """The next rows whose number is below this one."""
        found: list[JudgedRow] = []
        while self._next is not None and self._next.number < number:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found
