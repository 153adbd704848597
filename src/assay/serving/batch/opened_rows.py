"""Opened rows: the rows of a file or of standard input, with the columns that its header declares.

A CSV cell that is blank is absent from its row, so a column that is blank throughout can only be carried along when the
header is known. Knows nothing of verdicts.
"""

import csv
import gzip
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from assay.ingest.csv_rows import read_csv
from assay.ingest.parquet_rows import open_parquet
from assay.ingest.row import ReadRow
from assay.ingest.rows import Format, read_rows
from assay.schema.errors import InputError, shown

_GZIP_MARK = b"\x1f\x8b"


@dataclass(frozen=True, kw_only=True)
class OpenedRows:
    """`columns` in the order of the header; empty for JSONL, where each row has its own."""

    columns: tuple[str, ...]
    rows: Iterator[ReadRow]


def open_rows(source: Path | None, format_in: Format) -> OpenedRows:
    """Open a file, or standard input where `source` is None. Raises as `assay.ingest.rows.read_rows`."""
    if format_in == "csv" and source is None:
        lines: list[bytes] = []
        columns = _header(_noted(sys.stdin.buffer, lines))
        rest = io.BufferedReader(cast(io.RawIOBase, _Rejoined(b"".join(lines), sys.stdin.buffer)))
        return OpenedRows(columns=columns, rows=read_csv(cast(BinaryIO, rest)))
    rows = read_rows(source, format_in)
    if source is None or format_in == "jsonl":
        return OpenedRows(columns=(), rows=rows)
    return OpenedRows(columns=_parquet_columns(source) if format_in == "parquet" else _csv_columns(source), rows=rows)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    with open_parquet(path) as file:
        names = tuple(file.schema_arrow.names)
    if len(set(names)) < len(names):
        raise InputError("Two columns have one name.", required="different names", got=shown(names))
    return names


def _csv_columns(path: Path) -> tuple[str, ...]:
    with path.open("rb") as raw:
        zipped = raw.peek(len(_GZIP_MARK)).startswith(_GZIP_MARK)
        return _header(iter(gzip.GzipFile(fileobj=raw) if zipped else raw))


def _noted(stream: BinaryIO, lines: list[bytes]) -> Iterator[bytes]:
    for line in iter(stream.readline, b""):
        lines.append(line)
        yield line


def _header(lines: Iterator[bytes]) -> tuple[str, ...]:
    r"""The names in the first record; what is wrong with it beyond UTF-8 is the reader's to say.

    >>> _header(iter([b'id,"two\n', b'lines"\n', b"1,2\n"]))
    ('id', 'two\nlines')
    """
    try:
        text = (line.decode("utf-8-sig") for line in lines)
        return tuple(name.strip() for name in next(csv.reader(text), []))
    except UnicodeDecodeError:
        raise InputError("The CSV header is not in UTF-8.", required="UTF-8", next_step="convert the file") from None
    except csv.Error:
        return ()


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # called by BufferedReader only
        piece = self._head[: len(buffer)] or self._rest.read1(len(buffer))  # type: ignore[attr-defined] # stdin's buffer
        self._head = self._head[len(piece) :] if self._head else b""
        buffer[: len(piece)] = piece
        return len(piece)
