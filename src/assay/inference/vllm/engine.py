"""VllmEngine: an Engine whose device is somewhere else, behind vLLM servers.

    engine = VllmEngine(VllmServers(urls=("http://127.0.0.1:8000",)))
    engine.add(version, folder)
    engine.submit(Request(judge=version.id, row=row)).result().scores

Batching and prefix sharing are the servers'. Here wait the requests that they have no room for yet, the most urgent
first; one event loop on a thread of its own keeps `in_flight` of them with each server.
"""

import asyncio
import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from assay.inference.endings import closed, fail, no_judge, refused, too_late
from assay.inference.engine import Explanation, LabelScores, Priority, Request, now
from assay.inference.vllm.fleet import Fleet, Standing
from assay.inference.vllm.replica import ReplicaBusy, ReplicaLost, ReplicaRefused
from assay.inference.vllm.served_judge import ServedJudge, served_judge
from assay.inference.vllm.servers import VllmServers
from assay.inference.vllm.wire import MalformedAnswer, explaining, explanation, label_scores, scoring, shared_tokens
from assay.schema.errors import (
    AssayError,
    EngineLostError,
    OverloadedError,
    shown,
)
from assay.schema.judge_version import JudgeVersion

DEFAULT_QUEUE_TOKENS = 16_000_000
Given = TypeVar("Given")
Times = tuple[float, float]  # queue_ms, compute_ms


@dataclass(kw_only=True, eq=False)
class _Waiting:
    """A request: what to ask, and what to make of the answer."""

    judge: str
    tokens: int
    body_for: Callable[[str], Mapping[str, Any]]
    read: Callable[[Mapping[str, Any], Times], Any]
    future: Future[Any]
    deadline_s: float
    arrived_s: float
    alarm: asyncio.TimerHandle | None = field(default=None, repr=False)
    over: bool = False  # its deadline passed while it waited


class VllmEngine:
    """An Engine over vLLM servers; see `inference.engine.Engine`.

    Args:
        servers: where they are.
        queue_tokens: tokens that may wait; above it `submit` raises OverloadedError.

    """

    backend = "vllm"

    def __init__(self, servers: VllmServers, *, queue_tokens: int = DEFAULT_QUEUE_TOKENS) -> None:
        self._servers = servers
        self._queue_tokens = queue_tokens
        self._judges: dict[str, ServedJudge] = {}
        self._closed = False
        self._waiting_tokens = 0
        self._lock = threading.Lock()  # guards the three above
        self._numbers = itertools.count()
        self._queue: list[tuple[int, float, int, _Waiting]] = []  # a heap; on the loop alone, as all below
        self._running: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="assay-engine-vllm", daemon=True)
        self._thread.start()
        self._fleet = self._on_loop(_fleet(servers))

    @property
    def lost(self) -> bool:
        """See Engine. Servers that cannot be reached are looked at again and again, so this one is over when closed."""
        return self._closed

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return self._waiting_tokens

    def standings(self) -> tuple[Standing, ...]:
        """The replicas as they stand."""
        return self._fleet.standings()

    def add(self, version: JudgeVersion, folder: Path) -> None:
        """See Engine."""
        if version.id in self._judges:
            return
        self._check_open()
        judge = served_judge(version, folder, self._servers.judges_folder)
        self._on_loop(self._fleet.add(judge))
        with self._lock:
            self._judges[version.id] = judge

    def remove(self, judge: str) -> None:
        """See Engine."""
        with self._lock:
            known = self._judges.pop(judge, None)
        if known is not None and not self._closed:
            self._on_loop(self._forget(judge))

    def judges(self) -> tuple[str, ...]:
        """See Engine."""
        return tuple(self._judges)

    def submit(
        self, request: Request, *, deadline_s: float | None = None, priority: Priority = Priority.BATCH
    ) -> Future[LabelScores]:
        """See Engine."""
        judge, ids = self._judge(request.judge), request.row.ids
        labels = judge.label_tokens

        def read(answer: Mapping[str, Any], times: Times) -> LabelScores:
            shared = min(shared_tokens(answer), len(ids))
            return LabelScores(
                scores=label_scores(answer, labels),
                queue_ms=times[0],
                compute_ms=times[1],
                computed_tokens=len(ids) - shared,
                shared_tokens=shared,
            )

        return self._accept(judge, len(ids), lambda model: scoring(model, ids, labels), read, deadline_s, priority)

    def submit_all(
        self,
        requests: Sequence[Request],
        *,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> list[Future[LabelScores]]:
        """See Engine; the server batches as it likes."""
        futures: list[Future[LabelScores]] = []
        try:
            for request in requests:
                futures.append(  # noqa: PERF401 - those that were accepted are cancelled
                    self.submit(request, deadline_s=deadline_s, priority=priority)
                )
        except AssayError:
            for future in futures:
                future.cancel()
            raise
        return futures

    def explain(
        self,
        request: Request,
        *,
        verdict_token: int,
        max_tokens: int,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> Future[Explanation]:
        """See Engine."""
        judge, ids = self._judge(request.judge), (*request.row.ids, verdict_token)

        def read(answer: Mapping[str, Any], times: Times) -> Explanation:
            tokens, cut = explanation(answer)
            return Explanation(tokens=tokens, cut=cut, queue_ms=times[0], compute_ms=times[1])

        return self._accept(
            judge, len(ids), lambda model: explaining(model, ids, max_tokens), read, deadline_s, priority
        )

    def close(self) -> None:
        """See Engine."""
        with self._lock:
            before, self._closed = self._closed, True
        if before:
            return
        self._on_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _on_loop(self, work: Coroutine[Any, Any, Given]) -> Given:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except CancelledError:
            raise closed() from None

    def _check_open(self) -> None:
        if self._closed:
            raise closed()

    def _judge(self, judge: str) -> ServedJudge:
        self._check_open()
        known = self._judges.get(judge)
        if known is None:
            raise no_judge(judge, self.judges())
        return known

    def _accept(
        self,
        judge: ServedJudge,
        tokens: int,
        body_for: Callable[[str], Mapping[str, Any]],
        read: Callable[[Mapping[str, Any], Times], Any],
        deadline_s: float | None,
        priority: Priority,
    ) -> Future[Any]:
        item = _Waiting(
            judge=judge.id,
            tokens=tokens,
            body_for=body_for,
            read=read,
            future=Future(),
            deadline_s=math.inf if deadline_s is None else deadline_s,
            arrived_s=now(),
        )
        with self._lock:
            self._check_open()
            if self._waiting_tokens and self._waiting_tokens + tokens > self._queue_tokens:
                raise OverloadedError(
                    "The engine's queue is full.",
                    required=f"at most {self._queue_tokens} tokens waiting",
                    got=f"{self._waiting_tokens} waiting and {tokens} more",
                    next_step="try again later",
                )
            self._waiting_tokens += tokens
            self._loop.call_soon_threadsafe(self._arrive, item, priority)
        return item.future

    # What follows runs on the loop.

    def _arrive(self, item: _Waiting, priority: Priority) -> None:
        heapq.heappush(self._queue, (priority, item.deadline_s, next(self._numbers), item))
        if item.deadline_s < math.inf:  # the loop's clock is the clock of deadlines
            item.alarm = self._loop.call_at(item.deadline_s, self._ring, item)
        self._start()

    def _ring(self, item: _Waiting) -> None:
        """A deadline passed; a request that still waits is told at once, not when its turn comes."""
        item.over = True
        fail(item.future, too_late(now() - item.arrived_s))

    def _start(self) -> None:
        while self._queue and len(self._running) < self._servers.in_flight * max(self._fleet.up, 1):
            *_, item = heapq.heappop(self._queue)
            with self._lock:
                self._waiting_tokens -= item.tokens
            if item.alarm:
                item.alarm.cancel()
            if item.over or not item.future.set_running_or_notify_cancel():
                continue
            task = self._loop.create_task(self._run(item))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _run(self, item: _Waiting) -> None:
        """One request, from its turn to its answer. Whatever goes wrong ends in its future."""
        started_s = now()
        try:
            async with asyncio.timeout_at(item.deadline_s if item.deadline_s < math.inf else None):
                began = time.perf_counter()
                answer = await self._fleet.complete(item.judge, item.body_for)
            times = ((started_s - item.arrived_s) * 1e3, (time.perf_counter() - began) * 1e3)
            item.future.set_result(item.read(answer, times))
        except TimeoutError:
            item.future.set_exception(too_late(now() - item.arrived_s))
        except asyncio.CancelledError:
            item.future.set_exception(closed())
        except Exception as error:  # a defect must not leave anybody waiting for ever
            item.future.set_exception(_told(error))

    async def _forget(self, judge: str) -> None:
        kept = []
        for entry in self._queue:
            item = entry[-1]
            if item.judge != judge:
                kept.append(entry)
                continue
            self._drop(item, no_judge(judge, self.judges()))
        self._queue = kept
        heapq.heapify(self._queue)
        await self._fleet.remove(judge)

    def _drop(self, item: _Waiting, error: AssayError) -> None:
        """Out of the queue, with a reason."""
        with self._lock:
            self._waiting_tokens -= item.tokens
        if item.alarm:
            item.alarm.cancel()
        if not item.over:
            fail(item.future, error)

    async def _end(self) -> None:
        for *_, item in self._queue:
            self._drop(item, closed())
        self._queue.clear()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._fleet.close()


async def _fleet(servers: VllmServers) -> Fleet:
    return Fleet(servers)


def _told(error: Exception) -> AssayError:
    """What a failure becomes for whoever waits."""
    if isinstance(error, AssayError):
        return error
    if isinstance(error, ReplicaBusy):
        return OverloadedError("The vLLM servers have too much to do.", got=str(error), next_step="try again later")
    if isinstance(error, ReplicaRefused):
        return refused("The vLLM server refuses the request.", str(error), "look at its limits")
    if isinstance(error, MalformedAnswer):
        return refused("The vLLM server's answer cannot be read.", str(error), "look at its log and its version")
    if isinstance(error, ReplicaLost):
        return EngineLostError("The vLLM server does not answer.", got=str(error), next_step="look at its log")
    return refused("The engine failed.", f"{type(error).__name__}: {shown(str(error), 200)}", "report it")
