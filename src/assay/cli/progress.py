"""Progress on stderr: rate and time left, in a bar on a terminal, in a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Report: TypeAlias = Callable[[int, int | None], None]  # units done, units in all (None: unknown)
FIRST_PLAIN_S = 3.0
PLAIN_EVERY_S = 15.0
_DAY_S = 86_400


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
        yield plain_lines(what, unit)


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


def plain_lines(what: str, unit: str, clock: Callable[[], float] = time.monotonic) -> Report:
    """Lines on stderr: the first after some seconds of work, so that one sees that it is under way."""
    started = clock()
    next_at = started + FIRST_PLAIN_S
    first: int | None = None  # a resumed run begins with rows that it did not do itself

    def report(done: int, total: int | None) -> None:
        nonlocal next_at, first
        first = done if first is None else first
        now = clock()
        if now < next_at:
            return
        next_at = now + PLAIN_EVERY_S
        of = "" if total is None else f" of {total:,}"
        rate = (done - first) / (now - started)
        left = "" if total is None or rate == 0 else f", {_span(max(total - done, 0) / rate)} left"
        print(f"{what}: {done:,}{of} {unit}, {rate:,.0f}/s{left}", file=sys.stderr, flush=True)

    return report


def _span(seconds: float) -> str:
    """A length of time, as 1:27, 2:03:05 or 21 days."""
    if seconds >= 2 * _DAY_S:
        return f"{seconds / _DAY_S:,.0f} days"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
