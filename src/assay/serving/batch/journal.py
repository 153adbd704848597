"""Journal: what an interrupted run has safely on disk, and for which input, judge and settings.

Written beside the output by an atomic rename, after the bytes that it names are synced; so a run that is killed at any
moment goes on from the newest journal: truncate to its bytes, skip its rows.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from assay.schema.errors import AssayError, ConflictError
from assay.schema.records import record_from, to_jsonable
from assay.serving.batch.result import Tally

_FORMAT = 1
_EDGE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """An input file, told apart without reading all of it."""

    size_bytes: int
    modified_ns: int
    edges_digest: str  # SHA-256 of its first and its last MiB

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file as it is now."""
        status = path.stat()
        with path.open("rb") as file:
            edges = hashlib.sha256(file.read(_EDGE_BYTES))
            file.seek(max(status.st_size - _EDGE_BYTES, 0))
            edges.update(file.read(_EDGE_BYTES))
        return cls(size_bytes=status.st_size, modified_ns=status.st_mtime_ns, edges_digest=edges.hexdigest())


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is done: only the same task may go on with what another run left. `source` None is standard input."""

    source: Source | None
    judge: str
    settings_digest: str


@dataclass(frozen=True, kw_only=True)
class Journal:
    """A point that a run can go on from.

    `tally.rows` rows of the input are done; their output is the first `output_bytes` and `rejected_bytes` of the part
    files. In phase `ready` the whole output stands beside its final place and only has to be moved.
    """

    task: Task
    tally: Tally = field(default_factory=Tally)
    output_bytes: int = 0
    rejected_bytes: int = 0
    phase: Literal["judging", "ready"] = "judging"
    format: int = _FORMAT

    def write(self, path: Path) -> None:
        """Replace the journal at `path`, synced."""
        arriving = path.with_name(path.name + ".new")
        with arriving.open("w", encoding="utf-8") as file:
            json.dump(to_jsonable(self), file)
            file.flush()
            os.fsync(file.fileno())
        arriving.replace(path)


def read_journal(path: Path) -> Journal | None:
    """The journal at `path`, None where there is none. Raises ConflictError where it is not one of ours."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return record_from(Journal, values, where=str(path))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AssayError):
        raise ConflictError(
            f"{path} is not the journal of a run of this version of Assay.", next_step=restart_hint(path)
        ) from None


def check_same_task(left: Task, now: Task, journal: Path) -> None:
    """Raises ConflictError saying what is different."""
    reasons = {
        "another input": left.source != now.source,
        f"another judge ({left.judge})": left.judge != now.judge,
        "other settings": left.settings_digest != now.settings_digest,
    }
    found = [reason for reason, differs in reasons.items() if differs]
    if found or now.source is None:
        raise ConflictError(
            "An interrupted run that writes this output was not the same one.",
            required="the same input, unchanged, the same judge and the same options",
            got=f"it had {' and '.join(found)}" if found else "standard input, which cannot be resumed",
            next_step=restart_hint(journal),
        )


def restart_hint(journal: Path) -> str:
    """What to do about a run that cannot go on."""
    return f"repeat that run's command to finish it, or give --restart to forget it ({journal})"
