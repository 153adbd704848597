"""Making: every open derivative written, and each kept as soon as it is there.

`make_unaided(database, receipt, tasks)` makes those that need no language model, `Maker(…).run(tasks)` asks for the
others, AT_ONCE at a time. A run that is killed, or stopped by the cap on spending, loses at most the calls in flight:
the same run goes on with what is open. What a model answered and cannot be used is set aside with the reason; a call
that brought no answer leaves its derivative open.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from assay.datasets.augmentation.parents import Task
from assay.datasets.augmentation.prompts import ask_of
from assay.datasets.augmentation.rewritten import UnusableAnswerError, rewritten_text
from assay.datasets.augmentation.unaided import changes_without_help, derivative_of
from assay.llm.failures import LlmFailure
from assay.llm.paying import PaidClient
from assay.schema.criterion import Criterion
from assay.schema.errors import AssayError
from assay.store import augmentations
from assay.store.augmentations import Derivative
from assay.store.database import Database

AT_ONCE = 8
MOST_FAILURES = 5  # calls in a row without an answer: the endpoint is down, and goes on being paid for in patience

OnMade = Callable[[int, int], None]  # derivatives settled, in all


def open_derivative(task: Task) -> Derivative:
    """What is written before a task is done."""
    return Derivative(
        id=task.id,
        kind=task.kind.name,
        position=task.position,
        label=task.label,
        parents=tuple(parent.id for parent in task.parents),
    )


def make_unaided(database: Database, receipt: str, tasks: Iterable[Task]) -> None:
    """Make the derivatives that need no language model, in one transaction."""
    with database.begin() as connection:
        for task in tasks:
            example = derivative_of(task, receipt, changes_without_help(task))
            augmentations.settle(connection, replace(open_derivative(task), state="made", example=example))


@dataclass(kw_only=True)
class _Progress:
    """How a run stands. `stopped` is why no more is asked."""

    waiting: deque[Task]
    total: int
    settled: int = 0
    failures: int = 0
    in_a_row: int = 0
    stopped: AssayError | None = None


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Asks one model for derivatives, and keeps what it says."""

    database: Database
    client: PaidClient
    model: str
    receipt: str
    criterion: Criterion

    def run(self, tasks: Sequence[Task], on_made: OnMade | None = None) -> int:
        """Make these derivatives. Returns how many stayed open, for want of an answer.

        Raises BudgetSpentError (the cap), LlmFailure (too many calls in a row without an answer); what was made until
        then is kept.
        """
        progress = _Progress(waiting=deque(tasks), total=len(tasks))
        with ThreadPoolExecutor(1) as thread:  # an event loop of its own: the caller may have one running
            running = thread.submit(asyncio.run, self._run(progress, on_made))
            try:
                running.result()
            except BaseException:
                progress.waiting.clear()  # an interrupt: what is in flight ends, no more is asked
                raise
        if progress.stopped is not None:
            raise progress.stopped
        return progress.failures

    async def _run(self, progress: _Progress, on_made: OnMade | None) -> None:
        try:
            await asyncio.gather(*(self._work(progress, on_made) for _ in range(AT_ONCE)))
        finally:
            await self.client.client.close()

    async def _work(self, progress: _Progress, on_made: OnMade | None) -> None:
        while progress.waiting and progress.stopped is None:
            task = progress.waiting.popleft()
            try:
                settled = await self._made(task)
            except LlmFailure as failure:
                progress.failures += 1
                progress.in_a_row += 1
                if progress.in_a_row >= MOST_FAILURES:
                    progress.stopped = failure
                continue
            except AssayError as error:  # the cap on spending, a package that is not there
                progress.stopped = error
                continue
            await asyncio.to_thread(self._keep, settled)
            progress.in_a_row = 0
            progress.settled += 1
            if on_made is not None:
                on_made(progress.settled, progress.total)

    async def _made(self, task: Task) -> Derivative:
        try:
            answer = await self.client.ask(self.model, ask_of(task, self.criterion))
            changes: dict[str, Any] = {str(task.field): rewritten_text(answer.text, task)}
        except UnusableAnswerError as reason:
            return replace(open_derivative(task), state="unusable", reason=str(reason))
        except LlmFailure as failure:
            if failure.cause != "rejected":
                raise
            reason_given = f"the endpoint rejected the call (status {failure.status})"
            return replace(open_derivative(task), state="unusable", reason=reason_given)
        return replace(open_derivative(task), state="made", example=derivative_of(task, self.receipt, changes))

    def _keep(self, settled: Derivative) -> None:
        with self.database.begin() as connection:
            augmentations.settle(connection, settled)
