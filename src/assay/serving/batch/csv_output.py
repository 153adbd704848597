"""A finished spool as CSV: the carried columns, then the verdict's; lines end in a line feed."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from assay.serving.batch.judged_rows import VERDICT_PARTS, cell, spooled_rows, verdict_columns


def write_csv(spool: Path, target: BinaryIO, columns: Iterable[str], field: str) -> None:
    """Write the rows of `spool` to `target` with these columns before those of the verdict."""
    names = list(columns)
    writer = csv.writer(_Utf8Lines(target))
    writer.writerow([*names, *verdict_columns(field)])
    for row in spooled_rows(spool):
        carried = [cell(row.values.get(name)) for name in names]
        writer.writerow([*carried, *(cell(row.verdict.get(part)) for part in VERDICT_PARTS)])


def spooled_columns(spool: Path) -> tuple[str, ...]:
    """The columns of rows that have each their own, in the order in which they first appear."""
    names: dict[str, None] = {}
    for row in spooled_rows(spool):
        names.update(dict.fromkeys(row.values))
    return tuple(names)


class _Utf8Lines:
    r"""Takes records that end in CR LF: only with both in the terminator does csv quote a cell that holds either."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target

    def write(self, record: str) -> None:
        self._target.write(record.removesuffix("\r\n").encode() + b"\n")
