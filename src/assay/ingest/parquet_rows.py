"""Parquet: rows by batches, in the memory of one batch.

`open_parquet(path)` checks the file, `read_parquet(file)` yields a Row for each row. Dates and times become ISO 8601
text, decimals become numbers, nulls stay None. Knows nothing of labels.
"""

import base64
import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from assay.ingest.row import ReadRow, Row, malformed
from assay.schema.errors import InputError

_BATCH_ROWS = 256


def open_parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    """The opened file. Raises InputError where it is not Parquet or damaged."""
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet.", required="an undamaged Parquet file", got=str(error)
        ) from None


def read_parquet(file: pyarrow.parquet.ParquetFile) -> Iterator[ReadRow]:
    """Rows of an opened file, numbered from 1. Raises InputError where a page is damaged."""
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for index in range(batch.num_rows):
                number += 1
                yield row_of(number, batch.slice(index, 1))
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"The Parquet file is damaged after row {number}.", required="an undamaged Parquet file", got=str(error)
        ) from None


def row_of(number: int, one: pyarrow.RecordBatch) -> ReadRow:
    """The row in a batch of one."""
    try:
        (values,) = one.to_pylist()
    except UnicodeDecodeError:
        return malformed(number, "not valid UTF-8", "")
    except ValueError as error:  # such as a time outside Python's range
        return malformed(number, f"a value cannot be read: {error}", "")
    return Row(number=number, values={str(name): _plain(value) for name, value in values.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
