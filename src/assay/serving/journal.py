r"""Journal: a file in which verdicts wait until the database has taken them.

    journal.append(rows)             # when it returns, the rows survive the death of this process
    journal.forget(len(rows))        # the database has them; an empty journal is cut to nothing

A line is one row as JSON. A row is in the file whole or not at all: where the disk takes only a part, the part is cut
off again. Lines are not synced one by one: kill -9 loses nothing that was appended, a power cut may lose the last
moments; what is in the database is synced by the database.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.schema.errors import AssayError

_CUT_ABOVE_BYTES = 1 << 20  # an idle journal is emptied when it has grown to this
_READ_ROWS = 500
DAMAGED = ".damaged"


class Journal:
    """An open journal. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        self._waiting = 0

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows. Raises AssayError where the disk does not take them; then none of them is there."""
        data = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode()
        try:
            written = os.write(self._file, data)
            if written < len(data):
                written += os.write(self._file, data[written:])  # the second attempt says what is wrong
        except OSError as error:
            os.ftruncate(self._file, self._size)
            raise AssayError(
                f"A verdict could not be recorded, so it is not given: {error.strerror}.",
                next_step="make room on the disk of the workspace",
            ) from error
        self._size += len(data)
        self._waiting += len(rows)

    def forget(self, rows: int) -> None:
        """So many rows are in the database."""
        self._waiting -= rows
        if not self._waiting and self._size > _CUT_ABOVE_BYTES:
            self._cut()

    def close(self) -> None:
        """Close it; the file goes where nothing in it waits."""
        os.close(self._file)
        if not self._waiting:
            self._path.unlink(missing_ok=True)

    def _cut(self) -> None:
        os.ftruncate(self._file, 0)
        self._size = 0


def rows_left(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of a dead process's journal, some hundred at a time. A last line that was cut was never acknowledged;
    lines that cannot be read are set aside in a file beside it, `NAME.damaged`, which every reading writes anew.
    """
    if not path.exists():
        return
    path.with_suffix(DAMAGED).unlink(missing_ok=True)
    batch: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                batch.append(json.loads(line))
            except ValueError:  # the power failed in the middle of a write; what is behind it may be whole
                with path.with_suffix(DAMAGED).open("ab") as aside:
                    aside.write(line)
                continue
            if len(batch) >= _READ_ROWS:
                yield batch
                batch = []
    if batch:
        yield batch
