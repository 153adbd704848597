"""The engine's contract: requests in token ids go in, label scores come out, asynchronously, from every backend alike.

    engine.add(version, folder)                                # once a judge: by `judging`, at load or at promotion
    future = engine.submit(request, deadline_s=now() + 0.1)    # once a verdict: by `judging` alone
    future.result().scores                                     # (k,), log-softmax over the judge's labels

Who calls what: `SmallJudge` renders an example and calls `submit` once a verdict (`judge_many` keeps some thousands in
flight, a server as many as it admits); nobody else submits. `add` and `remove` are called when judges come and go,
while requests of others are in flight. The engine owns one device, its batching and its adapters; it knows nothing of
examples, calibration or decisions.

The scores of a request depend on nothing but its tokens and its judge: not on what it was batched with, not on the
adapter before it, not on a cached prefix (float32: within 1e-4; bfloat16: within 0.03 of a logit).
"""

import enum
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from assay.models.tokens import TokenRow
from assay.schema.judge_version import JudgeVersion


class Priority(enum.IntEnum):
    """Who goes first when there is more than one pass of work; equals go by deadline, then by arrival."""

    GUARDRAIL = 0  # somebody waits for the answer
    ASYNCHRONOUS = 1
    SHADOW = 2
    BATCH = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One verdict wanted.

    `row` holds the token ids, in the order of their positions from 0; the verdict is read after its last token. The
    label token ids and everything else that is the judge's own come with the judge (`Engine.add`).
    """

    judge: str  # id of a judge that was added
    row: TokenRow


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelScores:
    """What the engine read from the model for one request.

    `computed_tokens` and `shared_tokens` add up to the request's own: shared ones were computed for another request,
    in the same pass or before. `compute_ms` is the time of the pass that the request took part in.
    """

    scores: np.ndarray  # (k,) float64, log-softmax over the labels in the order of the scale
    queue_ms: float
    compute_ms: float
    computed_tokens: int
    shared_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What the model says after a verdict: token ids without the end token, and whether the limit cut it."""

    tokens: tuple[int, ...]
    cut: bool
    queue_ms: float
    compute_ms: float


class Engine(Protocol):
    """Turns requests into label scores. Implemented by `LocalEngine` (torch, int8) and `VllmEngine`."""

    @property
    def backend(self) -> str:
        """Its name in the table of `inference.support`."""
        ...

    @property
    def lost(self) -> bool:
        """Whether it is over: it was closed, or its device is gone. Whoever needs an engine builds another."""
        ...

    def add(self, version: JudgeVersion, folder: Path) -> None:
        """Make a judge ready, from its verified folder. Adding one that is there changes nothing.

        Raises UnsupportedJudgeError, NotFoundError, IntegrityError, EngineLostError; the judges that are there go on.
        """
        ...

    def remove(self, judge: str) -> None:
        """Forget a judge and free what it alone used. Requests of it that wait end with NotFoundError."""
        ...

    def judges(self) -> tuple[str, ...]:
        """Ids of the judges that are ready."""
        ...

    def submit(
        self, request: Request, *, deadline_s: float | None = None, priority: Priority = Priority.BATCH
    ) -> Future[LabelScores]:
        """Queue a request; never blocks. Callable from any thread; `asyncio.wrap_future` makes it awaitable.

        Args:
            request: of a judge that was added.
            deadline_s: on the clock of `now()`; None waits as long as it takes.
            priority: see Priority.

        Raises:
            NotFoundError: there is no such judge here.
            OverloadedError: the queue is full (it is bounded in tokens).
            EngineLostError: the engine is closed or lost.

        The future ends with LabelScores, or with DeadlineExceededError, NotFoundError, EngineLostError, or
        RequestFailedError, where this request alone could not be done. Cancelling it takes a waiting request out of
        the queue.

        """
        ...

    def submit_all(
        self,
        requests: Sequence[Request],
        *,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> list[Future[LabelScores]]:
        """Queue several at once, in order; otherwise as `submit`, all or none.

        In-process engines put them into the same passes each time when nothing else runs, so that a file, an
        evaluation and a calibration give the same numbers to the last bit when they are done again.
        """
        ...

    def explain(
        self,
        request: Request,
        *,
        verdict_token: int,
        max_tokens: int,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> Future[Explanation]:
        """Go on decoding (greedily) after the row and the verdict's label token, for at most `max_tokens`.

        What `submit` computed for the row is used again. Decoders only; errors as in `submit`, and
        UnsupportedJudgeError for an encoder.
        """
        ...

    def close(self) -> None:
        """End the engine; whatever waits ends with EngineLostError. A second call changes nothing."""
        ...


def now() -> float:
    """Seconds on the clock of deadlines (monotonic; it does not jump with the wall clock)."""
    return time.monotonic()
