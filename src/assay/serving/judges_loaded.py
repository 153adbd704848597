"""JudgesLoaded: the judge versions that are in memory, within a bound; loaded when asked for, put out when not.

    with await judges.using("advice-3f2a91c0") as ready:
        verdict = await ready.judge.judge_async(example, …)

A version is verified against its digests and loaded once, in a thread, however many requests wait for it. When memory
is short the version that was not used for longest goes, unless it is in use or pinned. It never touches a device: what
loads and unloads a judge is handed in. Belongs to one event loop.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from assay.inference.engine import Priority
from assay.registry import Registry
from assay.schema.criterion import Criterion
from assay.schema.errors import OverloadedError
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Mode, Verdict
from assay.serving.escalation import Escalator
from assay.serving.fallback import FallbackChain

_BYTES = {"float32": 4, "bfloat16": 2}


class ServingJudge(Protocol):
    """A judge that many requests may ask at once."""

    @property
    def id(self) -> str:
        """The version that answers."""
        ...

    @property
    def criterion(self) -> Criterion:
        """The question answered."""
        ...

    async def judge_async(
        self, example: Example, *, deadline_s: float | None, priority: Priority, mode: Mode
    ) -> Verdict:
        """The verdict on one example. Raises OverloadedError, DeadlineExceededError, EngineLostError."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadyJudge:
    """A version in memory, with who answers in its place and who decides what it declines."""

    version: JudgeVersion
    judge: ServingJudge
    chain: FallbackChain
    escalator: Escalator | None = None
    unload: Callable[[], None] = lambda: None
    lost: Callable[[], None] = lambda: None  # called when its engine is lost

    @property
    def missing(self) -> tuple[str, ...]:
        """What the version declares and this server lacks."""
        return (*self.chain.missing, *(self.escalator.missing if self.escalator else ()))


class Loads(Protocol):
    """What loads a version from its verified folder, in any thread."""

    def __call__(self, version: JudgeVersion, folder: Path) -> ReadyJudge:
        """Raises AssayError."""
        ...


@dataclass(kw_only=True, eq=False)
class _Held:
    ready: ReadyJudge
    own_bytes: int
    used_at_s: float
    users: int = 0


class JudgesLoaded:
    """Every version of this server that is in memory.

    Args:
        registry: finds and verifies versions.
        load: makes one ready.
        max_bytes: what they may take together, backbones counted once.
        clock: monotonic seconds.

    """

    def __init__(
        self, registry: Registry, load: Loads, *, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registry = registry
        self._load = load
        self._max_bytes = max_bytes
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._arriving: dict[str, asyncio.Task[_Held]] = {}
        self.pinned: frozenset[str] = frozenset()

    @property
    def bytes_used(self) -> int:
        """An estimate: the files of each version, and each backbone once."""
        backbones = {held.ready.version.backbone.weights_digest: _backbone_bytes(held) for held in self._held.values()}
        return sum(held.own_bytes for held in self._held.values()) + sum(backbones.values())

    def ready(self) -> tuple[ReadyJudge, ...]:
        """All that are in memory."""
        return tuple(held.ready for held in self._held.values())

    def holds(self, version_id: str) -> bool:
        """Whether it is in memory, so that `using` does not wait."""
        return version_id in self._held

    async def using(self, version_id: str) -> AbstractContextManager[ReadyJudge]:
        """A version, loaded if need be; it stays in memory during the `with` block, to be entered at once.

        Raises NotFoundError, IntegrityError, OverloadedError (no room), and whatever keeps it from being loaded.
        """
        return self._in_use(await self._get(version_id))

    @contextmanager
    def _in_use(self, held: _Held) -> Iterator[ReadyJudge]:
        held.users += 1
        held.used_at_s = self._clock()
        try:
            yield held.ready
        finally:
            held.users -= 1

    async def ensure(self, version_ids: Iterable[str]) -> dict[str, Exception]:
        """Load these, one after the other. Returns what kept any of them from it, by id."""
        problems: dict[str, Exception] = {}
        for version_id in version_ids:
            try:
                await self._get(version_id)
            except Exception as error:
                problems[version_id] = error
        return problems

    async def lose(self, ready: ReadyJudge) -> None:
        """The engine of a version is lost. It is put out of memory, so that the next request gets a fresh one."""
        held = self._held.get(ready.version.id)
        if held is not None and held.ready is ready:
            del self._held[ready.version.id]
            await asyncio.to_thread(ready.lost)

    def close(self) -> None:
        """Unload everything."""
        for version_id in list(self._held):
            self._held.pop(version_id).ready.unload()

    async def _get(self, version_id: str) -> _Held:
        held = self._held.get(version_id)
        if held is not None:
            return held
        task = self._arriving.get(version_id)
        if task is None:
            task = asyncio.create_task(self._arrive(version_id))
            self._arriving[version_id] = task
            task.add_done_callback(lambda _: self._arriving.pop(version_id, None))
        return await asyncio.shield(task)  # one caller that gives up must not stop the loading for the others

    async def _arrive(self, version_id: str) -> _Held:
        resolved = await asyncio.to_thread(self._registry.resolve, version_id)
        version = resolved.version
        if version.id in self._held:  # asked for by another length of its digest
            return self._held[version.id]
        own_bytes = await asyncio.to_thread(_folder_bytes, resolved.folder)
        await self._make_room(version, own_bytes)
        ready = await asyncio.to_thread(self._load, version, resolved.folder)
        held = _Held(ready=ready, own_bytes=own_bytes, used_at_s=self._clock())
        return self._held.setdefault(version.id, held)

    async def _make_room(self, version: JudgeVersion, own_bytes: int) -> None:
        shared = any(
            h.ready.version.backbone.weights_digest == version.backbone.weights_digest for h in self._held.values()
        )
        needed = own_bytes + (0 if shared else _model_bytes(version))
        while self._held and self.bytes_used + needed > self._max_bytes:
            idle = [h for h in self._held.values() if not h.users and h.ready.version.id not in self.pinned]
            if not idle:
                raise OverloadedError(
                    f"There is no room in memory for {version.id}.",
                    required=f"{needed >> 20} MiB of {self._max_bytes >> 20} MiB",
                    got=f"{self.bytes_used >> 20} MiB in use by judges that are in use or pinned",
                    next_step="raise memory_mb in [serving] of assay.toml",
                )
            oldest = min(idle, key=lambda held: held.used_at_s)
            del self._held[oldest.ready.version.id]
            await asyncio.to_thread(oldest.ready.unload)


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _backbone_bytes(held: _Held) -> int:
    return _model_bytes(held.ready.version)


def _model_bytes(version: JudgeVersion) -> int:
    return version.backbone.parameters * _BYTES[version.dtype]
