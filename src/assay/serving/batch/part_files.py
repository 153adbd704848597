"""PartFiles: the output while it grows, beside its final place.

    paths = PartPaths.of(Path("out.csv"), plain_jsonl=False)
    journal = starting_point(paths, task, settings)
    with PartFiles(paths, journal) as parts: parts.write(line, verdict) …; parts.commit()
    publish(paths, ready_journal, overwrite=False)

Files: `out.csv.part` (what is judged, one JSON line a row), `out.csv.rejected.jsonl.part`, `out.csv.part.json` (the
journal), `out.csv.part.ready` (the finished output, where it is not plain JSONL), `out.csv.part.lock`.
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from assay.schema.errors import ConflictError, shown
from assay.schema.verdict import Verdict
from assay.serving.batch.journal import Journal, Task, check_same_task, read_journal, restart_hint
from assay.serving.batch.judgeable import Rejected
from assay.serving.batch.settings import BatchSettings
from assay.store.blobs import sync_folder

COMMIT_EVERY_S = 2.0  # an fsync costs milliseconds; what a kill can lose is this and the window being judged


@dataclass(frozen=True, kw_only=True)
class PartPaths:
    """Where the files of one output lie."""

    output: Path
    rejected: Path
    part: Path
    rejected_part: Path
    ready: Path
    journal: Path
    lock: Path

    @classmethod
    def of(cls, output: Path, *, plain_jsonl: bool) -> Self:
        """The paths beside `output`. Plain JSONL is ready as it is written; all else is made from it at the end."""

        def beside(suffix: str) -> Path:
            return output.with_name(output.name + suffix)

        return cls(
            output=output,
            rejected=beside(".rejected.jsonl"),
            part=beside(".part"),
            rejected_part=beside(".rejected.jsonl.part"),
            ready=beside(".part" if plain_jsonl else ".part.ready"),
            journal=beside(".part.json"),
            lock=beside(".part.lock"),
        )

    def remove_parts(self) -> None:
        """Remove all but what is final; the journal last, because without it nothing else is known."""
        for path in (self.ready, self.part, self.rejected_part, self.journal):
            path.unlink(missing_ok=True)


def starting_point(paths: PartPaths, task: Task, settings: BatchSettings) -> Journal:
    """Where the run begins: what an interrupted run of the same task has left, else the first row.

    Raises ConflictError: the output is there already; an interrupted run was of another task, or its files are gone.
    """
    if settings.restart:
        paths.remove_parts()
    journal = read_journal(paths.journal)
    if journal is not None:
        check_same_task(journal.task, task, paths.journal)
    if journal is None or journal.phase == "judging":
        _check_absent(paths.output, settings.overwrite)
    if journal is None:
        _check_absent(paths.rejected, settings.overwrite)
        return Journal(task=task)
    if journal.phase == "judging":
        _check_bytes(paths.part, journal.output_bytes, paths.journal)
        _check_bytes(paths.rejected_part, journal.rejected_bytes, paths.journal)
    return journal


def publish(paths: PartPaths, journal: Journal, *, overwrite: bool) -> None:
    """Move the ready output to its final place. Killed at any moment and called again, it ends the same."""
    if paths.ready.exists():
        _check_absent(paths.output, overwrite)
        if journal.rejected_bytes and paths.rejected_part.exists():
            paths.rejected_part.replace(paths.rejected)
        elif overwrite and not journal.rejected_bytes:
            paths.rejected.unlink(missing_ok=True)  # of the output that is overwritten
        sync_folder(paths.output.parent)
        paths.ready.replace(paths.output)
        sync_folder(paths.output.parent)
    paths.remove_parts()


def _check_absent(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise ConflictError(f"{shown(str(path))} is there already.", next_step="give another output, or --overwrite")


def _check_bytes(path: Path, expected: int, journal: Path) -> None:
    size = path.stat().st_size if path.exists() else 0
    if size < expected:
        raise ConflictError(
            f"{shown(str(path))} has lost what its journal says was written.",
            required=f"{expected:,} bytes or more",
            got=f"{size:,} bytes",
            next_step=restart_hint(journal),
        )


class PartFiles:
    """The two growing files and their journal. What comes after the last commit is cut off at the next opening."""

    def __init__(self, paths: PartPaths, journal: Journal) -> None:
        self._paths = paths
        self._journal = journal
        self.tally = replace(journal.tally, by_label=dict(journal.tally.by_label))
        self._output_bytes = journal.output_bytes
        self._rejected_bytes = journal.rejected_bytes
        self._resumable = journal.task.source is not None
        self._committed_s = time.monotonic()

    def __enter__(self) -> Self:
        if self._resumable:
            self._journal.write(self._paths.journal)
        self._output = _cut(self._paths.part, self._output_bytes)
        self._rejected = _cut(self._paths.rejected_part, self._rejected_bytes)
        sync_folder(self._paths.part.parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.close()
        self._rejected.close()

    def write(self, line: bytes, verdict: Verdict) -> None:
        """One judged row."""
        self._output.write(line)
        self._output_bytes += len(line)
        self.tally.add(verdict)
        self._commit_when_due()

    def set_aside(self, row: Rejected) -> None:
        """One row that was not judged."""
        line = row.line()
        self._rejected.write(line)
        self._rejected_bytes += len(line)
        self.tally.add_set_aside()
        self._commit_when_due()

    def end_window(self) -> None:
        """A window is a good moment, but no more than any other row is."""
        self._commit_when_due()

    def commit(self) -> Journal:
        """Make all that was written safe, and say so in the journal (which it returns)."""
        for file in (self._output, self._rejected):
            file.flush()
            os.fsync(file.fileno())
        self._journal = replace(
            self._journal,
            tally=replace(self.tally, by_label=dict(self.tally.by_label)),
            output_bytes=self._output_bytes,
            rejected_bytes=self._rejected_bytes,
        )
        if self._resumable:
            self._journal.write(self._paths.journal)
        self._committed_s = time.monotonic()
        return self._journal

    def _commit_when_due(self) -> None:
        if time.monotonic() - self._committed_s >= COMMIT_EVERY_S:
            self.commit()


def _cut(path: Path, size_bytes: int) -> BinaryIO:
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(size_bytes)
    file.seek(size_bytes)
    return file
