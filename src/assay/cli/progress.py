"""Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Report: TypeAlias = Callable[[int, int | None], None]  # units done, units in all (None: unknown)
PLAIN_EVERY_S = 15.0


class _Rate(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """The recent rate of a task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s")


@contextmanager
def progress(what: str, unit: str = "rows") -> Iterator[Report]:
    """A function to call with (done, total) as often as one likes."""
    if sys.stderr.isatty():
        yield from _bar(what, unit)
    else:
        yield _lines(what, unit)


def _bar(what: str, unit: str) -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}"),
        _Rate(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str, unit: str) -> Report:
    started = shown_at = time.monotonic()
    first: int | None = None  # a resumed run begins with rows that it did not do itself

    def report(done: int, total: int | None) -> None:
        nonlocal shown_at, first
        first = done if first is None else first
        now = time.monotonic()
        if now - shown_at < PLAIN_EVERY_S:
            return
        shown_at = now
        of = "" if total is None else f" of {total:,}"
        print(f"{what}: {done:,}{of} {unit}, {(done - first) / (now - started):,.0f}/s", file=sys.stderr, flush=True)

    return report
