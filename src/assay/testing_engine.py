"""TestEngine: an engine without a model, whose scores are a fixed rule of the token ids; stalls and breaks when told.

    engine = TestEngine()
    with serving_of(settings, make_engine=lambda version: engine) as serving: …
    engine.stall()          # what is submitted from now on ends when `go_on()` is called
    engine.crash()          # what waits, and whatever comes, ends with EngineLostError
    engine.shrink(64)       # rows above 64 tokens do not fit into memory

For tests of everything above an engine, and for measuring what a server itself costs. No torch.
"""

import math
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

from assay.inference.engine import Explanation, LabelScores, Priority, Request, now
from assay.schema.errors import DeadlineExceededError, EngineLostError, NotFoundError, UnsupportedJudgeError, shown
from assay.schema.judge_version import JudgeVersion

_SPREAD = 8.0  # logits lie between -4 and 4
_MODULUS = 1009  # prime, so that every token counts


class TestEngine:
    """See the module. Safe between threads."""

    __test__ = False  # pytest must not take it for a test

    def __init__(self) -> None:
        self._versions: dict[str, JudgeVersion] = {}
        self._stalled = False
        self._crashed = False
        self._largest_row: float = math.inf
        self._waiting: list[tuple[Request, Future[LabelScores], float]] = []
        self._lock = threading.Lock()
        self.submitted = 0

    @property
    def backend(self) -> str:
        """Its name."""
        return "test"

    def stall(self) -> None:
        """Answer nothing from now on."""
        self._stalled = True

    def go_on(self) -> None:
        """Answer what waits, and whatever comes."""
        with self._lock:
            self._stalled = False
            waiting, self._waiting = self._waiting, []
        for request, future, deadline_s in waiting:
            self._answer(request, future, deadline_s)

    def crash(self) -> None:
        """Be lost, as when a device is gone."""
        with self._lock:
            self._crashed = True
            waiting, self._waiting = self._waiting, []
        for _, future, _ in waiting:
            if future.set_running_or_notify_cancel():
                future.set_exception(_lost("The engine stopped."))

    def shrink(self, largest_row: int) -> None:
        """Rows above so many tokens do not fit into memory."""
        self._largest_row = largest_row

    def add(self, version: JudgeVersion, folder: Path) -> None:
        """See Engine. The folder's weights are not read."""
        del folder
        if self._crashed:
            raise _lost("The engine stopped.")
        self._versions[version.id] = version

    def remove(self, judge: str) -> None:
        """See Engine."""
        self._versions.pop(judge, None)

    def judges(self) -> tuple[str, ...]:
        """See Engine."""
        return tuple(self._versions)

    def submit(
        self, request: Request, *, deadline_s: float | None = None, priority: Priority = Priority.BATCH
    ) -> Future[LabelScores]:
        """See Engine."""
        del priority
        self.submitted += 1
        if self._crashed:
            raise _lost("The engine stopped.")
        if request.judge not in self._versions:
            raise NotFoundError(f"The engine has no judge {shown(request.judge)}.")
        future: Future[LabelScores] = Future()
        until = math.inf if deadline_s is None else deadline_s
        with self._lock:
            if self._stalled:
                self._waiting.append((request, future, until))
                return future
        self._answer(request, future, until)
        return future

    def submit_all(
        self,
        requests: Sequence[Request],
        *,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> list[Future[LabelScores]]:
        """See Engine."""
        return [self.submit(request, deadline_s=deadline_s, priority=priority) for request in requests]

    def explain(
        self,
        request: Request,
        *,
        verdict_token: int,
        max_tokens: int,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> Future[Explanation]:
        """Refused: there is nothing to explain."""
        del request, verdict_token, max_tokens, deadline_s, priority
        raise UnsupportedJudgeError("The test engine explains nothing.")

    def close(self) -> None:
        """See Engine."""
        self.crash()

    def _answer(self, request: Request, future: Future[LabelScores], deadline_s: float) -> None:
        if not future.set_running_or_notify_cancel():
            return
        if now() > deadline_s:
            future.set_exception(DeadlineExceededError("The request's deadline passed while it waited."))
        elif len(request.row.ids) > self._largest_row:
            future.set_exception(_lost("One request alone does not fit into the device's memory."))
        else:
            labels = len(self._versions[request.judge].criterion.labels)
            scores = scores_of(request.row.ids, labels)
            tokens = len(request.row.ids)
            future.set_result(LabelScores(scores=scores, queue_ms=0.0, compute_ms=0.0, computed_tokens=tokens))


def scores_of(ids: tuple[int, ...], labels: int) -> np.ndarray:
    """The scores of a row: log-softmax over `labels` logits that each token moves; (labels,) float64.

    >>> scores_of((1, 2, 3), 2).round(3)
    array([-1.155, -0.378])
    """
    weighted = sum((place + 1) * token for place, token in enumerate(ids))
    logits = np.array([((weighted * (label * 7 + 1)) % _MODULUS) / _MODULUS for label in range(labels)]) * _SPREAD
    scores: np.ndarray = logits - np.logaddexp.reduce(logits)
    return scores


def _lost(problem: str) -> EngineLostError:
    return EngineLostError(problem, next_step="build another one")
