"""CSV: comma-separated, first line the header, read in constant memory.

`read_csv(stream)` yields a Row for each record; an empty cell is absent from its values. The row's number is the line
on which it begins. Knows nothing of files: it takes an open binary stream.
"""

import csv
import io
import re
from _csv import Reader  # the type that csv.reader returns
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from assay.ingest.row import MAX_LINE_BYTES, MAX_RAW_CHARS, ReadRow, Row, malformed
from assay.schema.errors import InputError, shown

_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a stray byte
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_csv(stream: BinaryIO) -> Iterator[ReadRow]:
    """Rows of a binary stream. Raises InputError: no usable header (at once), a quote that is never closed (at the
    end).
    """
    # csv's limit on a field is a global of the module; 128 KiB by default, too little for a document
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _Lines(stream)
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    return _records(reader, lines, header)


def count_csv(stream: BinaryIO) -> int:
    """The number of records below the header, malformed ones included."""
    return sum(1 for _ in read_csv(stream))


class _Lines:
    """Lines of a text stream. Of an over-long one only the beginning is passed on, and `cut` says so until reset."""

    def __init__(self, stream: BinaryIO) -> None:
        # a byte that is not UTF-8 becomes a lone surrogate, so that only its own row is malformed
        self._text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self.cut = False

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MAX_LINE_BYTES + 1):
            if line.endswith("\n") or len(line) <= MAX_LINE_BYTES:
                yield line
                continue
            self.cut = True
            while (rest := self._text.readline(1 << 20)) and not rest.endswith("\n"):
                pass
            yield line[:MAX_RAW_CHARS] + "\n"


def _header(reader: Reader) -> list[str]:
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise InputError("The CSV header cannot be read.", required="comma-separated names", got=str(error)) from None
    names = [name.strip() for name in header]
    if len(names) == 1:
        _refuse_other_delimiter(names[0])
    twice = [name for name, times in Counter(names).items() if times > 1]
    if not names or "" in names or twice:
        raise InputError(
            "The first line of a CSV file names its columns.",
            required="a different name for each column",
            got=shown(names) if names else "an empty file",
        )
    return names


def _refuse_other_delimiter(name: str) -> None:
    for mark, word in _OTHER_DELIMITERS.items():
        if mark in name:
            raise InputError(
                f"The columns are separated by {word}.",
                required="commas",
                got=shown(name),
                next_step="save it as CSV with commas",
            )


def _records(reader: Reader, lines: _Lines, header: list[str]) -> Iterator[ReadRow]:
    while True:
        number = reader.line_num + 1
        lines.cut = False
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(number, reader.line_num, error)
            continue
        if lines.cut:
            yield malformed(number, f"a line is longer than {MAX_LINE_BYTES:,} characters", ",".join(cells))
        elif cells:
            yield _record(number, header, cells)


def _unreadable(number: int, last: int, error: csv.Error) -> ReadRow:
    if "unexpected end of data" in str(error):
        # the open quote has swallowed all rows after it: their number is unknown, so the file as a whole is refused
        raise InputError(
            f"Line {number}: a quote is opened and never closed.",
            required='each " inside a quoted cell doubled',
            next_step=f"correct line {number} and import again",
        )
    where = f"line {number}" if last <= number else f"lines {number} to {last}"
    return malformed(number, f"not valid CSV ({where}): {error}", "")


def _record(number: int, header: list[str], cells: list[str]) -> ReadRow:
    if len(cells) != len(header):
        return malformed(number, f"{len(cells)} cells where the header has {len(header)} columns", ",".join(cells))
    if any(_NOT_UTF8.search(cell) for cell in cells):
        return malformed(number, "not valid UTF-8", ",".join(cells).encode("utf-8", "surrogateescape"))
    return Row(number=number, values={name: cell for name, cell in zip(header, cells, strict=True) if cell})
