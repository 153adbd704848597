"""Recorder: takes verdicts over for good without making anybody wait for the database.

    await recorder.keep(verdicts)      # journalled when it returns; in the database some milliseconds later
    await recorder.settled()           # whoever now reads the database sees them

A verdict is appended to a journal before it is given, and a thread moves what is there into the database, many rows a
transaction. The database may be gone for a while: verdicts then wait in the journal, and a process that dies leaves it
to the next one that starts. A row has one id, so moving it twice changes nothing. One that the database will never
take is set aside (`refused`), until somebody has it written again (`recovering`).
"""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from assay.schema.errors import AssayError, InputError, OverloadedError
from assay.serving.asked import VerdictGiven
from assay.serving.journal import DAMAGED, Journal, rows_left
from assay.serving.kept_text import KeptText
from assay.serving.process import ServingProcess
from assay.serving.refused import Refusal, RefusedVerdicts
from assay.store import awaiting, verdicts
from assay.store.database import Connection, Database

BATCH_ROWS = 500
MAX_WAITING = 200_000  # rows; some 300 MB. Above it the server says so rather than going on without a database
GATHER_S = 0.01  # a moment of waiting makes one transaction of many verdicts
RETRY_S = 0.5

_log = logging.getLogger(__name__)


class Recorder:
    """Keeps verdicts of one process.

    Args:
        database: where they end.
        process: whose journal holds them until then.
        text: what is stored of texts.

    """

    def __init__(self, database: Database, process: ServingProcess, text: KeptText) -> None:
        self.text = text
        self._database = database
        self._journal = Journal(process.journal)
        self.refused = RefusedVerdicts(process.folder)
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()  # guards the journal and everything below
        self._closing = False
        self._kept = 0
        self._moved = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._loop, name="assay-recorder", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Verdicts that the database does not have yet."""
        return len(self._waiting)

    def rows(self, given: Iterable[VerdictGiven]) -> list[dict[str, Any]]:
        """The rows of verdicts, with what is to be kept of their texts."""
        return [verdicts.columns(self.text.of_verdict(one.given), self.text.of_example(one.example)) for one in given]

    async def keep(self, given: tuple[VerdictGiven, ...]) -> None:
        """Take over verdicts. Raises AssayError (no room on the disk), OverloadedError (no database for too long)."""
        if len(self._waiting) > MAX_WAITING:
            raise OverloadedError(
                "Verdicts cannot be recorded: the database has been away for too long.",
                got=self.problem or f"{len(self._waiting)} verdicts waiting",
                next_step="bring the database back",
            )
        is_long = any(one.example.is_long for one in given)
        rows = await asyncio.to_thread(self.rows, given) if is_long else self.rows(given)
        with self._changed:
            self._journal.append(rows)
            self._waiting.extend(rows)
            self._kept += len(rows)
            self._changed.notify()

    async def settled(self, timeout_s: float = 2.0) -> bool:
        """Wait until the database has what was kept before now. False where that took too long."""
        wanted, until = self._kept, time.monotonic() + timeout_s
        while self._moved < wanted:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(GATHER_S / 2)
        return True

    def take_over(self, journal: Path) -> int:
        """Move what a dead process left into the database. Returns how many rows that was. Raises AssayError."""
        found = 0
        for rows in rows_left(journal):
            self._write(rows)
            found += len(rows)
        journal.unlink(missing_ok=True)
        if journal.with_suffix(DAMAGED).exists():
            _log.error("lines of a journal cannot be read", extra={"file": journal.with_suffix(DAMAGED).name})
        return found

    def close(self) -> None:
        """Move what waits, if the database takes it; the journal stays otherwise. A second call changes nothing."""
        with self._changed:
            closed, self._closing = self._closing, True
            self._changed.notify()
        self._thread.join()
        if not closed:
            self._journal.close()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                closing = self._closing
            if not closing:
                time.sleep(GATHER_S)
            moved = self._move()
            if not moved and closing:
                return
            if not moved:
                time.sleep(RETRY_S)

    def _move(self) -> bool:
        batch = [self._waiting[place] for place in range(min(len(self._waiting), BATCH_ROWS))]
        try:
            self._write(batch)
        except Exception as error:
            problem = error.problem if isinstance(error, AssayError) else f"{type(error).__name__}"
            if problem != self.problem:
                _log.error("verdicts wait for the database", extra={"problem": problem, "waiting": len(self._waiting)})
            self.problem = problem
            return False
        self.problem = ""
        with self._changed:
            for _ in batch:
                self._waiting.popleft()
            self._moved += len(batch)
            self._journal.forget(len(batch))
        return True

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows. One that is never taken is set aside, so that it holds up nobody.

        Raises AssayError where the database, or the disk, is away.
        """
        for row, error in not_taken(self._database, rows):
            refusal = Refusal.of(error)
            file = self.refused.add(row, refusal)
            _log.error(
                "the database refuses a verdict; to have it written again: assay verdicts recover",
                extra={"verdict": row["id"], "file": file.name, "problem": refusal.problem},
            )


def not_taken(database: Database, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], Exception]]:
    """Write rows, as many a transaction as may be. Returns those that the database never takes, with what it says.

    Raises AssayError where it is away; some may be written then.
    """
    try:
        with database.begin() as connection:
            write(connection, rows)
    except Exception as error:
        if isinstance(error, AssayError) and not isinstance(error, InputError):
            raise
        if len(rows) == 1:
            return [(rows[0], error)]
        half = len(rows) // 2
        return [*not_taken(database, rows[:half]), *not_taken(database, rows[half:])]
    return []


def write(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of verdicts; what was escalated to people comes to their queue with them, or not at all."""
    verdicts.add(connection, rows)
    refused = Counter(error.problem for error in awaiting.add(connection, rows).values())
    for problem, count in refused.items():  # not a line each: a queue that is full refuses every one
        _log.error("verdicts did not come to the queue for people", extra={"verdicts": count, "problem": problem})
