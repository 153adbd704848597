"""LocalEngine: a queue before a Runner on a device of this process; the device's thread takes its steps.

The engine never sees a tensor, the runner never sees the queue. One step, a pass: take the most urgent requests that
the runner packs together, run them, hand out what came. There is no waiting for company: whatever arrived during the
last pass goes into the next one, so batches grow with the load by themselves and a lone request starts at once. An
explanation is decoded a token a pass, among everything else; its prefix is the runner's to keep.
"""

import bisect
import gc
import itertools
import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.inference.device_thread import Urgency, thread_of
from assay.inference.endings import closed, fail, no_judge, too_large, too_late
from assay.inference.engine import Explanation, LabelScores, Priority, Request, now
from assay.inference.own_thread import in_a_thread_of_its_own
from assay.inference.runner import NoRunner, OutOfMemory, Read, Runner, Work
from assay.schema.errors import EngineLostError, OverloadedError, UnsupportedJudgeError, shown
from assay.schema.judge_version import JudgeVersion

DEFAULT_TOKEN_BUDGET = 4096  # tokens a pass: activations stay in cache, matrix products stay large
DEFAULT_QUEUE_TOKENS = 16_000_000
CANDIDATES = 2048  # requests that a runner may choose from for one pass
WIDER_AFTER_PASSES = 1000  # that fit, a smaller budget is doubled: whatever had the memory may be gone

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class _Waiting:
    """A request in the queue; an explanation comes back to it after every token."""

    work: Work
    future: Future[Any]  # of LabelScores or Explanation
    priority: Priority
    deadline_s: float
    number: int
    arrived_s: float
    started_s: float | None = None
    compute_ms: float = 0.0
    decoded: tuple[int, ...] = ()
    max_tokens: int = 0

    @property
    def urgency(self) -> Urgency:
        return (self.priority, self.deadline_s, self.number)


class LocalEngine:
    """An Engine over a Runner in this process; see `inference.engine.Engine`.

    Args:
        runner: owns the device.
        token_budget: tokens a pass; halved each time that a pass does not fit into memory, and doubled again, up to
            this, after `WIDER_AFTER_PASSES` that did.
        queue_tokens: tokens that may wait; above it `submit` raises OverloadedError.

    """

    def __init__(
        self,
        runner: Runner,
        *,
        token_budget: int = DEFAULT_TOKEN_BUDGET,
        queue_tokens: int = DEFAULT_QUEUE_TOKENS,
    ) -> None:
        self._runner: Runner = runner
        self._backend = runner.backend
        self._full_budget = self._token_budget = token_budget
        self._passes_that_fit = 0  # since the budget last changed
        self._queue_tokens = queue_tokens
        self._waiting: list[_Waiting] = []  # by urgency
        self._waiting_tokens = 0
        self._numbers = itertools.count()
        self._judges: dict[str, JudgeVersion] = {}
        self._guard = threading.Lock()  # of everything above
        self._device = threading.Lock()  # held during a pass, and while a judge is installed
        self._in_step: int | None = None  # the thread that is in one
        self._lost: EngineLostError | None = None
        self._thread = thread_of(runner.device)
        self._thread.join(self)

    @property
    def backend(self) -> str:
        """The runner's."""
        return self._backend

    @property
    def lost(self) -> bool:
        """See Engine."""
        return self._lost is not None

    @property
    def token_budget(self) -> int:
        """Tokens a pass, as it stands now."""
        return self._token_budget

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return self._waiting_tokens

    def add(self, version: JudgeVersion, folder: Path) -> None:
        """See Engine."""
        if version.id in self._judges:
            return
        in_a_thread_of_its_own(lambda: self._install(version, folder))
        with self._guard:
            self._judges[version.id] = version

    def remove(self, judge: str) -> None:
        """See Engine."""
        with self._guard:
            known = self._judges.pop(judge, None)
            gone = self._drop([item for item in self._waiting if item.work.judge == judge])
        for item in gone:
            fail(item.future, no_judge(judge, self.judges()))
        if known is not None:
            with self._device:
                self._runner.unload(judge)
            _freeze_anew()

    def judges(self) -> tuple[str, ...]:
        """See Engine."""
        return tuple(self._judges)

    def submit(
        self, request: Request, *, deadline_s: float | None = None, priority: Priority = Priority.BATCH
    ) -> Future[LabelScores]:
        """See Engine."""
        return self.submit_all([request], deadline_s=deadline_s, priority=priority)[0]

    def submit_all(
        self,
        requests: Sequence[Request],
        *,
        deadline_s: float | None = None,
        priority: Priority = Priority.BATCH,
    ) -> list[Future[LabelScores]]:
        """See Engine."""
        works = [_scoring(request) for request in requests]
        return self._queue(works, deadline_s, priority)

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
        if self._lost:
            raise self._lost
        if not self._runner.explains:
            raise UnsupportedJudgeError("An encoder cannot explain its verdict.", required="a decoder")
        ids = (*request.row.ids, verdict_token)
        work = Work(
            judge=request.judge,
            ids=ids,
            reads="next-token",
            adapter_from=request.row.adapter_from,
            lasting=len(ids),
        )
        return self._queue([work], deadline_s, priority, max_tokens)[0]

    def close(self) -> None:
        """See Engine."""
        self._lose(closed())
        if self._in_step != threading.get_ident():
            with self._device:
                self._runner = NoRunner()
        gc.unfreeze()  # else its model would stay for ever, where it refers to itself
        gc.collect()

    def _install(self, version: JudgeVersion, folder: Path) -> None:
        if self._lost:
            raise self._lost
        install = self._runner.load(version, folder)
        with self._device:
            install()
        _freeze_anew()

    def _queue(
        self, works: Sequence[Work], deadline_s: float | None, priority: Priority, max_tokens: int = 0
    ) -> list[Future[Any]]:
        """Put work into the queue, all or none; the futures are of LabelScores, or of an Explanation."""
        items = [
            _Waiting(
                work=work,
                future=Future(),
                priority=priority,
                deadline_s=math.inf if deadline_s is None else deadline_s,
                number=next(self._numbers),
                arrived_s=now(),
                max_tokens=max_tokens,
            )
            for work in works
        ]
        tokens = sum(len(work.ids) for work in works)
        with self._guard:
            if self._lost:
                raise self._lost
            for work in works:
                if work.judge not in self._judges:
                    raise no_judge(work.judge, self.judges())
            if self._waiting and self._waiting_tokens + tokens > self._queue_tokens:
                raise OverloadedError(
                    "The engine's queue is full.",
                    required=f"at most {self._queue_tokens} tokens waiting",
                    got=f"{self._waiting_tokens} waiting and {tokens} more",
                    next_step="try again later",
                )
            for item in items:
                self._insert(item)
        self._thread.wake()
        return [item.future for item in items]

    def _insert(self, item: _Waiting) -> None:
        bisect.insort(self._waiting, item, key=lambda other: other.urgency)
        self._waiting_tokens += len(item.work.ids)

    def _drop(self, items: Sequence[_Waiting]) -> list[_Waiting]:
        """Take items out of the queue; those that were still in it are returned."""
        wanted = set(map(id, items))
        dropped = [item for item in self._waiting if id(item) in wanted] if wanted else []
        if dropped:
            self._waiting = [item for item in self._waiting if id(item) not in wanted]
            self._waiting_tokens -= sum(len(item.work.ids) for item in dropped)
        return dropped

    def _put_back(self, items: Sequence[_Waiting]) -> None:
        """What goes on after a pass; the engine may have been closed, or the judge removed, in the meantime."""
        ended: list[tuple[_Waiting, Exception]] = []
        with self._guard:
            for item in items:
                if self._lost:
                    ended.append((item, self._lost))
                elif item.work.judge not in self._judges:
                    ended.append((item, no_judge(item.work.judge, self.judges())))
                else:
                    self._insert(item)
        for item, error in ended:
            fail(item.future, error)

    def urgency(self) -> Urgency | None:
        """See `device_thread.Steps`."""
        with self._guard:
            return self._waiting[0].urgency if self._waiting else None

    def step(self) -> None:
        """See `device_thread.Steps`."""
        self._in_step = threading.get_ident()
        try:
            self._step()
        except Exception as error:  # a defect, or a device that is gone: nobody may wait for ever
            got = f"{type(error).__name__}: {shown(str(error), 200)}"
            self._lose(EngineLostError("The engine stopped.", got=got))
        finally:
            self._in_step = None

    def _step(self) -> None:
        """One pass: the most urgent requests that go together."""
        with self._device:
            batch = self._taken()
            if not batch:
                return
            started = time.perf_counter()
            try:
                reads = self._runner.run([item.work for item in batch])
            except OutOfMemory:
                self._halve(batch)
                return
            except Exception:
                self._put_back(batch)  # whoever is in the pass hears of it with all the others
                raise
            passed_ms = (time.perf_counter() - started) * 1e3
            if self._token_budget < self._full_budget:
                self._widen()
        self._put_back([item for item, read in zip(batch, reads, strict=True) if not _delivered(item, read, passed_ms)])

    def _taken(self) -> list[_Waiting]:
        """Out of the queue: what goes into the next pass, and whatever nobody waits for any more."""
        with self._guard:
            moment = now()
            candidates = self._waiting[:CANDIDATES]
            late = self._drop([item for item in candidates if item.deadline_s < moment])
            self._drop([item for item in candidates if item.future.cancelled()])
            alive = self._waiting[:CANDIDATES]
        for item in late:
            fail(item.future, too_late(moment - item.arrived_s))
        if not alive:
            return []
        places = self._runner.take([item.work for item in alive], self._token_budget)
        with self._guard:  # less what was removed with its judge while the runner chose
            chosen = self._drop([alive[place] for place in places])
        # an explanation is running from its first token on
        batch = [item for item in chosen if item.started_s or item.future.set_running_or_notify_cancel()]
        for item in batch:
            item.started_s = item.started_s or moment
        return batch

    def _halve(self, batch: Sequence[_Waiting]) -> None:
        """A pass did not fit: half the budget from now on, and the same requests again."""
        if len(batch) == 1:
            fail(batch[0].future, too_large(len(batch[0].work.ids)))
            return
        self._token_budget, self._passes_that_fit = max(self._token_budget // 2, 1), 0
        _log.warning("a pass did not fit into memory", extra={"tokens_a_pass": self._token_budget})
        self._put_back(batch)

    def _widen(self) -> None:
        """A pass fitted at a smaller budget."""
        self._passes_that_fit += 1
        if self._passes_that_fit >= WIDER_AFTER_PASSES:
            self._token_budget, self._passes_that_fit = min(self._token_budget * 2, self._full_budget), 0
            _log.info("passes are larger again", extra={"tokens_a_pass": self._token_budget})

    def _lose(self, error: EngineLostError) -> None:
        with self._guard:
            self._lost = self._lost or error
            left, self._waiting, self._waiting_tokens = self._waiting, [], 0
        self._thread.leave(self)
        for item in left:
            fail(item.future, self._lost)


def _freeze_anew() -> None:
    """Collect what is gone, and keep the garbage collector from what stays.

    Models are millions of objects: without this it walks them all every few thousand requests, 70 us a request.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _scoring(request: Request) -> Work:
    """The work of reading label scores; the row's last segment is the judge's own ending and does not come again."""
    row = request.row
    return Work(
        judge=request.judge,
        ids=row.ids,
        reads="labels",
        adapter_from=row.adapter_from,
        lasting=row.ends[-2] if len(row.ends) > 1 else 0,
    )


def _delivered(item: _Waiting, read: Read, passed_ms: float) -> bool:
    """Hand out what a pass read; False where an explanation goes on."""
    item.compute_ms += passed_ms
    queue_ms = ((item.started_s or item.arrived_s) - item.arrived_s) * 1e3
    if read.scores is not None:
        item.future.set_result(
            LabelScores(
                scores=read.scores,
                queue_ms=queue_ms,
                compute_ms=item.compute_ms,
                computed_tokens=read.computed_tokens,
                shared_tokens=read.shared_tokens,
            )
        )
        return True
    if read.token is not None:
        item.decoded = (*item.decoded, read.token)
    cut = read.token is not None and len(item.decoded) >= item.max_tokens
    if read.token is None or cut:
        item.future.set_result(Explanation(tokens=item.decoded, cut=cut, queue_ms=queue_ms, compute_ms=item.compute_ms))
        return True
    ids = (*item.work.ids, read.token)
    item.work = replace(item.work, ids=ids, lasting=len(ids))
    return False
