"""SetAside: the file that takes the malformed rows of an import, one JSON object `{line, reason, row}` a line.

Written beside its final place and renamed when complete, under a name made from the file's name and what is in it, so
that importing the same file again makes no second one. No malformed row, no file.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from assay.schema.ids import short


class SetAside:
    """Collects malformed rows; `keep` gives the file its name, `discard` removes it."""

    def __init__(self, folder: Path, stem: str) -> None:
        self._folder = folder
        self._stem = stem
        self._file: BinaryIO | None = None
        self._part: Path | None = None
        self._digest = hashlib.sha256()

    def add(self, line: int, reason: str, row: Any) -> None:
        """Write one row. ASCII escapes keep whatever the row holds, lone surrogates too."""
        record = {"line": line, "reason": reason, "row": row}
        data = json.dumps(record, ensure_ascii=True, default=repr).encode("ascii") + b"\n"
        self._digest.update(data)
        self._open().write(data)

    def keep(self) -> Path | None:
        """The finished file, None when no row was added. Call once."""
        if self._file is None or self._part is None:
            return None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        final = self._folder / f"{self._stem}-{short(self._digest.hexdigest())}.jsonl"
        return self._part.replace(final)

    def discard(self) -> None:
        """Remove what was written, unless it was kept."""
        if self._file is not None and self._part is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def _open(self) -> BinaryIO:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{self._stem}-", suffix=".part", dir=self._folder)
            self._part = Path(name)
            self._file = os.fdopen(handle, "wb")
        return self._file
