"""Engines by need: one for a judge alone, or one for all judges that share a backbone.

engine = lone_engine(version)           # `assay judge`, `assay evaluate`, the Python API
engines = Engines()                     # a server: engines.join(version) is shared by judges of one backbone
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from assay.inference.engine import Engine
from assay.inference.footprint import COPY_BYTES, EngineKey, engine_key
from assay.inference.int8.runner import Int8Runner
from assay.inference.local_engine import LocalEngine
from assay.inference.torch.runner import TorchRunner
from assay.schema.judge_version import NO_PLACES, JudgeVersion, Places


def lone_engine(version: JudgeVersion, places: Places = NO_PLACES) -> Engine:
    """An engine for one judge, which merges its adapter where that can be. `places` says where backbones lie."""
    return LocalEngine(Int8Runner(places) if version.dtype == "int8" else TorchRunner(alone=True, places=places))


def shared_engine(version: JudgeVersion, places: Places = NO_PLACES) -> Engine:
    """An engine that other judges of the same backbone and number format may join."""
    return LocalEngine(
        Int8Runner(places) if version.dtype == "int8" else TorchRunner(copy_bytes=COPY_BYTES, places=places)
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shared:
    """An engine and the ids of the judges that it is for."""

    engine: Engine
    judges: set[str] = field(default_factory=set)


class Engines:
    """The engines of one process, made when their first judge comes. Safe between threads.

    Args:
        make: builds the engine of a judge's backbone; by default `shared_engine`.

    """

    def __init__(self, make: Callable[[JudgeVersion], Engine] = shared_engine) -> None:
        self._make = make
        self._shared: dict[EngineKey, _Shared] = {}
        self._lock = threading.Lock()

    def join(self, version: JudgeVersion) -> Engine:
        """The engine that runs a judge, until it leaves; the judge itself is still to be added.

        Engines that no judge needs any more are closed first, so that there is memory for a new one.
        """
        key = engine_key(version)
        with self._lock:
            for other in [other for other in self._shared if other != key and not self._shared[other].judges]:
                self._shared.pop(other).engine.close()
            shared = self._shared.get(key)
            if shared is None or shared.engine.lost:
                shared = self._shared[key] = _Shared(engine=self._make(version))
            shared.judges.add(version.id)
            return shared.engine

    def leave(self, version: JudgeVersion, engine: Engine) -> None:
        """A judge is done with the engine that it joined. One that is lost is closed, whoever else is on it."""
        key = engine_key(version)
        with self._lock:
            shared = self._shared.get(key)
            if shared is not None and shared.engine is engine:
                shared.judges.discard(version.id)
                if engine.lost:
                    del self._shared[key]
        if engine.lost:
            engine.close()
        else:
            engine.remove(version.id)

    @property
    def running(self) -> Mapping[EngineKey, Engine]:
        """Engines by (weights, number format)."""
        return {key: shared.engine for key, shared in self._shared.items()}

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            shared, self._shared = self._shared, {}
        for one in shared.values():
            one.engine.close()
