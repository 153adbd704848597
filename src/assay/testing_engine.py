"""TestEngine: an engine without a model, whose scores are a fixed rule of the token ids; stalls and breaks when told.

    engine = TestEngine()
    with serving_of(settings, make_engine=lambda version: engine) as serving: …
    engine.stall()          # what is submitted from now on ends when `go_on()` is called
    engine.stall_explanations()    # the same of explanations alone
    engine.crash()          # what waits, and whatever comes, ends with EngineLostError
    engine.shrink(64)       # rows above 64 tokens do not fit into memory

Its explanation of a row is the row itself. For tests of everything above an engine, and for measuring what a server
itself costs. No torch.
"""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.inference.endings import too_large
from assay.inference.engine import Explanation, LabelScores, Priority, Request, now
from assay.schema.errors import DeadlineExceededError, EngineLostError, NotFoundError, shown
from assay.schema.judge_version import JudgeVersion

_SPREAD = 8.0  # logits lie between -4 and 4
_MODULUS = 1009  # prime, so that every token counts


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A request, what answers it, and when nobody waits any more."""

    request: Request
    answer: Callable[[Request], LabelScores | Explanation]
    future: Future[Any]
    deadline_s: float


class TestEngine:
    """See the module. Safe between threads."""

    __test__ = False  # pytest must not take it for a test

    def __init__(self) -> None:
        self._versions: dict[str, JudgeVersion] = {}
        self._stalled = False
        self._explanations_stalled = False
        self._crashed = False
        self._largest_row: float = math.inf
        self._waiting: list[_Asked] = []
        self._lock = threading.Lock()
        self.submitted = 0

    @property
    def backend(self) -> str:
        """Its name."""
        return "test"

    @property
    def lost(self) -> bool:
        """See Engine."""
        return self._crashed

    def stall(self) -> None:
        """Answer nothing from now on."""
        self._stalled = True

    def stall_explanations(self) -> None:
        """Explain nothing from now on."""
        self._explanations_stalled = True

    def go_on(self) -> None:
        """Answer what waits, and whatever comes."""
        with self._lock:
            self._stalled = self._explanations_stalled = False
            waiting, self._waiting = self._waiting, []
        for asked in waiting:
            self._answer(asked)

    def crash(self) -> None:
        """Be lost, as when a device is gone."""
        with self._lock:
            self._crashed = True
            waiting, self._waiting = self._waiting, []
        for asked in waiting:
            if asked.future.set_running_or_notify_cancel():
                asked.future.set_exception(_lost("The engine stopped."))

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
        return self._take(request, self._scored, deadline_s)

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
        """See Engine. It says the last `max_tokens` tokens of the row again."""
        del verdict_token, priority

        def said(request: Request) -> Explanation:
            ids = request.row.ids
            return Explanation(tokens=ids[-max_tokens:], cut=len(ids) > max_tokens, queue_ms=0.0, compute_ms=0.0)

        return self._take(request, said, deadline_s, explains=True)

    def close(self) -> None:
        """See Engine."""
        self.crash()

    def _take(
        self,
        request: Request,
        answer: Callable[[Request], LabelScores | Explanation],
        deadline_s: float | None,
        *,
        explains: bool = False,
    ) -> Future[Any]:
        if self._crashed:
            raise _lost("The engine stopped.")
        if request.judge not in self._versions:
            raise NotFoundError(f"The engine has no judge {shown(request.judge)}.")
        until = math.inf if deadline_s is None else deadline_s
        asked = _Asked(request=request, answer=answer, future=Future(), deadline_s=until)
        with self._lock:
            if self._stalled or (explains and self._explanations_stalled):
                self._waiting.append(asked)
                return asked.future
        self._answer(asked)
        return asked.future

    def _answer(self, asked: _Asked) -> None:
        if not asked.future.set_running_or_notify_cancel():
            return
        if now() > asked.deadline_s:
            asked.future.set_exception(DeadlineExceededError("The request's deadline passed while it waited."))
        elif len(asked.request.row.ids) > self._largest_row:
            asked.future.set_exception(too_large(len(asked.request.row.ids)))
        else:
            asked.future.set_result(asked.answer(asked.request))

    def _scored(self, request: Request) -> LabelScores:
        labels = len(self._versions[request.judge].criterion.labels)
        scores = scores_of(request.row.ids, labels)
        return LabelScores(scores=scores, queue_ms=0.0, compute_ms=0.0, computed_tokens=len(request.row.ids))


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
