"""Pace: how far a batch is, how fast it goes, and what time is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class BatchProgress:
    """A moment of a run. `rows_total` and `left_s` are None where they are not known (standard input)."""

    rows_done: int
    rows_total: int | None
    rows_per_s: float  # of this run, rows done before a resume left out
    left_s: float | None


OnProgress: TypeAlias = Callable[[BatchProgress], None]


class Pace:
    """Measures from `begin` on; tells `on_progress` at each step."""

    def __init__(self, rows_total: int | None = None, on_progress: OnProgress | None = None) -> None:
        self._total = rows_total
        self._on_progress = on_progress
        self.begin(0)

    def begin(self, rows_done: int) -> None:
        """Start the clock with so many rows done by an earlier run."""
        self.first = rows_done
        self._done = rows_done
        self._start_s = time.monotonic()

    def advance(self, rows: int) -> None:
        """Some more rows are judged, though not yet written."""
        self.reach(self._done + rows)

    def reach(self, rows_done: int) -> None:
        """So many rows are done."""
        self._done = rows_done
        if self._on_progress is not None:
            self._on_progress(self._now())

    @property
    def rows_per_s(self) -> float:
        """Rows done since `begin`, by the second."""
        return (self._done - self.first) / max(time.monotonic() - self._start_s, 1e-9)

    def _now(self) -> BatchProgress:
        rate = self.rows_per_s
        left = None if self._total is None or not rate else max(self._total - self._done, 0) / rate
        return BatchProgress(rows_done=self._done, rows_total=self._total, rows_per_s=rate, left_s=left)
