"""StreamOutput: judged rows to standard output.

JSONL is written as the windows are judged. A table needs to know all its columns first: its rows wait in a temporary
file until the last one is judged. Rows that are set aside go to a file in the current folder, named after the input.
"""

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from assay.ingest.set_aside import SetAside
from assay.schema.verdict import Verdict
from assay.serving.batch.judgeable import Rejected
from assay.serving.batch.result import Tally


class StreamOutput:
    """`deliver` None writes lines as they come; else it gets the file of lines and the stream at the end."""

    def __init__(self, source: Path | None, deliver: Callable[[Path, BinaryIO], None] | None) -> None:
        self.tally = Tally()
        self._rejected = SetAside(Path.cwd(), f"{source.name.split('.')[0] if source else 'stdin'}-rejected")
        self._deliver = deliver
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> "StreamOutput":
        self._exits.callback(self._rejected.discard)
        if self._deliver is None:
            self._lines: BinaryIO = sys.stdout.buffer
        else:
            folder = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="assay-"))
            self._spool = Path(folder) / "rows"
            self._lines = self._exits.enter_context(self._spool.open("wb"))
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def write(self, line: bytes, verdict: Verdict) -> None:
        """One judged row."""
        self._lines.write(line)
        self.tally.add(verdict)

    def set_aside(self, row: Rejected) -> None:
        """One row that was not judged."""
        self._rejected.add(row.number, row.reason, json.loads(row.row))
        self.tally.add_set_aside()

    def end_window(self) -> None:
        """Let the reader see what is there."""
        self._lines.flush()

    def finish(self) -> Path | None:
        """Deliver what waits; the path of the rows set aside, None where there are none."""
        self.end_window()
        if self._deliver is not None:
            self._deliver(self._spool, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return self._rejected.keep()
