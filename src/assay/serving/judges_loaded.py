"""JudgesLoaded: the judge versions that are in memory, within a bound; loaded when asked for, put out when not.

    with await judges.using("advice-3f2a91c0", deadline_s) as ready:
        verdict = await ready.judge.judge_async(example, …)

A version is verified against its digests and loaded once, in a thread, however many requests wait for it. One that
cannot be had in time is stood in for by an AbsentJudge: its fallback chain is known all the same. When memory is short
the version that was not used for longest goes, unless it is in use, pinned, or of more weight than the newcomer. When
an engine is lost all of its judges go, and the next request loads them anew. It never touches a device: what loads and
unloads a judge is handed in. Belongs to one event loop.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from assay.inference.engine import Engine, Priority
from assay.inference.footprint import Footprint, footprint_of, total_bytes
from assay.registry import Registry
from assay.schema.criterion import Criterion
from assay.schema.errors import AssayError, DeadlineExceededError, IntegrityError, OverloadedError
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Mode, Verdict
from assay.serving.absent import AbsentJudge
from assay.serving.escalation import Escalator
from assay.serving.fallback import FallbackChain

FIRST_AGAIN_S, AGAIN_S = 1.0, 15.0  # after which a version that could not be loaded is tried again; at last
LEAST_TIME_S = 0.002
ON_DEMAND = 9  # the weight of a version that no alias has loaded ahead; the least weight stays longest

T = TypeVar("T")
_log = logging.getLogger(__name__)


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
        """The verdict on one example. Raises OverloadedError, DeadlineExceededError, EngineLostError and the like."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadyJudge:
    """A version in memory, with who answers in its place and who decides what it declines.

    `engine` is what it runs on, None where it needs none; `unload` takes it off there.
    """

    version: JudgeVersion
    judge: ServingJudge
    chain: FallbackChain
    escalator: Escalator | None = None
    engine: Engine | None = None
    unload: Callable[[], None] = lambda: None

    @property
    def missing(self) -> tuple[str, ...]:
        """What the version declares and this server lacks."""
        return (*self.chain.missing, *(self.escalator.missing if self.escalator else ()))

    @property
    def lost(self) -> bool:
        """Whether its engine is."""
        return self.engine is not None and self.engine.lost


class Loads(Protocol):
    """What loads a version from its verified folder, in any thread."""

    def __call__(self, version: JudgeVersion, folder: Path) -> ReadyJudge:
        """Raises AssayError."""
        ...

    def chain(self, version: JudgeVersion, folder: Path) -> FallbackChain:
        """Who answers where it cannot run."""
        ...


@dataclass(kw_only=True, eq=False)
class _Known:
    """A version that was asked for; it is never forgotten, for its chain speaks when it cannot be loaded.

    The chain has no rungs until the folder, where their files are, was verified. `verified` is the folder with its
    bytes until it is loaded from, once.
    """

    version: JudgeVersion
    chain: FallbackChain
    declared: bool = False
    verified: tuple[Path, int] | None = None
    failed: tuple[Exception, float] | None = None  # why it could not be loaded, and until when that counts
    rest_s: float = FIRST_AGAIN_S


@dataclass(kw_only=True, eq=False)
class _Held:
    """A version that is in memory, or has its place there."""

    version: JudgeVersion
    footprint: Footprint
    used_at_s: float = 0.0
    users: int = 0
    ready: ReadyJudge | None = None

    @property
    def there(self) -> ReadyJudge:
        """The judge, of one that was loaded."""
        assert self.ready is not None  # noqa: S101 - only such are handed out
        return self.ready


class JudgesLoaded:
    """Every version of this server that is in memory.

    Args:
        registry: finds and verifies versions.
        load: makes one ready.
        max_bytes: what they may take together; a judge alone may take more.
        footprint: what a version takes, from the bytes of its folder.
        clock: monotonic seconds.

    """

    def __init__(
        self,
        registry: Registry,
        load: Loads,
        *,
        max_bytes: int,
        footprint: Callable[[JudgeVersion, int], Footprint] = footprint_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._load = load
        self._max_bytes = max_bytes
        self._footprint = footprint
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._held: dict[str, _Held] = {}
        self._placed: set[_Held] = set()  # what takes memory: those held, on their way in, and on their way out
        self._running: dict[tuple[str, str], asyncio.Task[Any]] = {}  # what was begun for a version
        self._leaving: set[asyncio.Task[None]] = set()
        self._moving = asyncio.Lock()  # held while some go out, so that none of them comes back meanwhile
        self.pinned: frozenset[str] = frozenset()
        self.weights: Mapping[str, int] = {}  # of the versions that aliases point at

    @property
    def bytes_used(self) -> int:
        """An estimate of their weights, what they share counted once."""
        return total_bytes(held.footprint for held in self._placed)

    def ready(self) -> tuple[ReadyJudge, ...]:
        """All that are in memory."""
        return tuple(held.there for held in self._held.values())

    def holds(self, version_id: str) -> bool:
        """Whether it is in memory, so that `using` does not wait."""
        return version_id in self._held

    async def version(self, version_id: str, deadline_s: float) -> JudgeVersion:
        """A version, whether it is in memory or not.

        Raises InputError, NotFoundError, OverloadedError (it cannot be looked up in time), AssayError (nor at all).
        """
        return (await self._find(version_id, deadline_s)).version

    async def using(self, version_id: str, deadline_s: float) -> AbstractContextManager[ReadyJudge]:
        """A version, loaded if need be; it stays in memory during the `with` block, to be entered at once.

        Where it cannot be had before its fallback chain must speak (`deadline_s` is on the monotonic clock) an
        AbsentJudge stands in for it. Raises what `version` raises.
        """
        held = self._held.get(version_id)
        if held is not None and not held.there.lost:
            return self._in_use(held)
        known = await self._find(version_id, deadline_s)
        try:
            if not known.declared:
                async with _until(deadline_s):
                    await self._once("declare", known, self._declare)
            async with _until(known.chain.judge_until(deadline_s)):
                return self._in_use(await self._get(known))
        except TimeoutError:
            why: Exception = DeadlineExceededError(f"{known.version.id} is still being loaded.")
        except Exception as error:
            why = error
        judge = AbsentJudge(known.version, why)
        return nullcontext(ReadyJudge(version=known.version, judge=judge, chain=known.chain))

    @contextmanager
    def _in_use(self, held: _Held) -> Iterator[ReadyJudge]:
        ready = held.there
        held.users += 1
        held.used_at_s = self._clock()
        try:
            yield ready
        finally:
            held.users -= 1
            if ready.lost:
                self._lose(ready.engine)

    async def ensure(self, version_ids: Iterable[str]) -> dict[str, Exception]:
        """Load these, one after the other. Returns what kept any of them from it, by id.

        One that could not be loaded is not tried again for `AGAIN_S`.
        """
        problems: dict[str, Exception] = {}
        for version_id in version_ids:
            try:
                await self._get(await self._find(version_id, math.inf))
            except Exception as error:
                problems[version_id] = error
        return problems

    async def _find(self, version_id: str, deadline_s: float) -> _Known:
        known = self._known.get(version_id)
        if known is not None:
            return known
        try:
            async with _until(deadline_s):
                resolved = await asyncio.to_thread(self._registry.resolve, version_id, check_files=False)
        except TimeoutError:
            raise OverloadedError(f"{version_id} could not be looked up in time.", next_step="send it again") from None
        version = resolved.version
        return self._known.setdefault(version.id, _Known(version=version, chain=FallbackChain(version, ())))

    async def _get(self, known: _Known) -> _Held:
        version_id = known.version.id
        held = self._held.get(version_id)
        if held is not None and held.there.lost:
            self._lose(held.there.engine)
        elif held is not None:
            return held
        while True:
            arrived = await self._once("load", known, self._arrive)
            if self._held.get(version_id) is arrived:  # else it had to go before whoever waited for it could use it
                return arrived

    async def _once(self, what: str, known: _Known, work: Callable[[_Known], Coroutine[Any, Any, T]]) -> T:
        """Do it once for all who wait; one that gives up stops it for nobody. What failed is left for a while."""
        key = (what, known.version.id)
        task: asyncio.Task[T] | None = self._running.get(key)
        if task is None:
            if known.failed is not None and known.failed[1] > self._clock():
                raise known.failed[0]
            task = asyncio.create_task(self._tried(known, work))
            self._running[key] = task
            task.add_done_callback(lambda done: (self._running.pop(key, None), done.cancelled() or done.exception()))
        return await asyncio.shield(task)

    async def _tried(self, known: _Known, work: Callable[[_Known], Coroutine[Any, Any, T]]) -> T:
        try:
            done = await work(known)
        except OverloadedError:  # no room: there may be some in a moment, and to look costs little
            raise
        except Exception as error:
            known.failed, known.rest_s = (error, self._clock() + known.rest_s), min(known.rest_s * 2, AGAIN_S)
            if isinstance(error, IntegrityError):  # its rules may be damaged, too
                known.chain = FallbackChain(known.version, ())
            _log.error("a judge cannot be loaded", extra={"judge": known.version.id, "problem": said_of(error)})
            raise
        known.failed, known.rest_s = None, FIRST_AGAIN_S
        return done

    async def _declare(self, known: _Known) -> None:
        """Verify its folder and learn who answers where it cannot run."""

        def declared() -> tuple[tuple[Path, int], FallbackChain]:
            folder = self._registry.resolve(known.version.id).folder
            files_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            return (folder, files_bytes), self._load.chain(known.version, folder)

        known.verified, known.chain = await asyncio.to_thread(declared)
        known.declared = True

    async def _arrive(self, known: _Known) -> _Held:
        version = known.version
        if known.verified is None:
            await self._declare(known)
        assert known.verified is not None  # noqa: S101 - it was declared
        folder, files_bytes = known.verified
        held = await self._placed_in_memory(version, self._footprint(version, files_bytes))
        known.verified = None
        try:
            held.ready = await asyncio.to_thread(self._load, version, folder)
        except BaseException:
            self._placed.discard(held)
            raise
        held.used_at_s = self._clock()
        self._held[version.id] = held
        return held

    async def _placed_in_memory(self, version: JudgeVersion, footprint: Footprint) -> _Held:
        """A place for a version; others go out for it, or nobody does. Raises OverloadedError."""
        async with self._moving:
            staying, going = set(self._placed), []
            for held in self._less_needed_than(version):
                if self._fits(staying, footprint):
                    break
                staying.remove(held)
                going.append(held)
            if staying and not self._fits(staying, footprint):
                raise self._no_room(version, footprint)
            newcomer = _Held(version=version, footprint=footprint)
            self._placed.add(newcomer)
            for held in going:
                del self._held[held.version.id]
            await self._put_out(going)
            return newcomer

    def _fits(self, staying: Iterable[_Held], footprint: Footprint) -> bool:
        return total_bytes([*(held.footprint for held in staying), footprint]) <= self._max_bytes

    def _less_needed_than(self, version: JudgeVersion) -> list[_Held]:
        """Those that may go out for a version, the one not used for longest first.

        Among the versions that aliases have loaded ahead only those of more weight, so that two do not push each other
        out for ever.
        """
        weight = self.weights.get(version.id, ON_DEMAND)

        def may_go(held: _Held) -> bool:
            others = self.weights.get(held.version.id, ON_DEMAND)
            idle = not held.users and held.version.id not in self.pinned
            return idle and (others > weight or others == weight == ON_DEMAND)

        return sorted(filter(may_go, self._held.values()), key=lambda held: held.used_at_s)

    def _no_room(self, version: JudgeVersion, footprint: Footprint) -> OverloadedError:
        return OverloadedError(
            f"There is no room in memory for {version.id}.",
            required=f"{(footprint.own_bytes + footprint.shared_bytes) >> 20} MiB of {self._max_bytes >> 20} MiB",
            got=f"{self.bytes_used >> 20} MiB taken by judges that are in use, pinned, or not to go for this one",
            next_step="raise memory_mb in [serving] of assay.toml",
        )

    def _lose(self, engine: Engine | None) -> None:
        """An engine is lost: its judges go, so that the next request gets them on a fresh one. Nobody waits for it."""
        gone = [held for held in self._held.values() if held.there.engine is engine]
        for held in gone:
            del self._held[held.version.id]
        if gone:
            _log.error("an engine was lost", extra={"judges": [held.version.id for held in gone]})
            task = asyncio.create_task(self._end(gone))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _end(self, gone: Iterable[_Held]) -> None:
        async with self._moving:
            await self._put_out(gone)

    async def _put_out(self, gone: Iterable[_Held]) -> None:
        for held in gone:
            try:
                await asyncio.to_thread(held.there.unload)
            except Exception:  # its engine may be in any state; the others must go all the same
                _log.exception("a judge could not be unloaded", extra={"judge": held.version.id})
            held.ready = None
            self._placed.discard(held)


def _until(moment_s: float) -> asyncio.Timeout:
    """A timeout at a moment of the monotonic clock, which gives what is ready at once the time to come."""
    return asyncio.timeout(None if moment_s == math.inf else max(moment_s - time.monotonic(), LEAST_TIME_S))


def said_of(error: Exception) -> str:
    """What kept a version from being loaded, in a sentence."""
    return error.problem if isinstance(error, AssayError) else f"{type(error).__name__}: {str(error)[:200]}"
