"""Engines by need: one for a judge alone, or one for all judges that share a backbone.

engine = lone_engine(version)           # `assay judge`, `assay evaluate`, the Python API
engines = Engines()                     # a server: engines.of(version) is shared by judges of one backbone
"""

import threading
from collections.abc import Callable, Mapping

from assay.inference.engine import Engine
from assay.inference.int8.runner import Int8Runner
from assay.inference.local_engine import LocalEngine
from assay.inference.torch.runner import TorchRunner
from assay.schema.judge_version import JudgeVersion

COPY_BYTES = 512 << 20  # 24 judges on MiniLM, 3 on BERT-base


def lone_engine(version: JudgeVersion) -> Engine:
    """An engine for one judge, which merges its adapter where that can be."""
    return LocalEngine(Int8Runner() if version.dtype == "int8" else TorchRunner(alone=True))


def shared_engine(version: JudgeVersion) -> Engine:
    """An engine that other judges of the same backbone and number format may join."""
    return LocalEngine(Int8Runner() if version.dtype == "int8" else TorchRunner(copy_bytes=COPY_BYTES))


class Engines:
    """The engines of one process, made when their first judge comes.

    Args:
        make: builds the engine of a judge's backbone; by default `shared_engine`.

    """

    def __init__(self, make: Callable[[JudgeVersion], Engine] = shared_engine) -> None:
        self._make = make
        self._engines: dict[tuple[str, str], Engine] = {}
        self._lock = threading.Lock()

    def of(self, version: JudgeVersion) -> Engine:
        """The engine that runs a judge; the judge itself is still to be added."""
        key = _key(version)
        with self._lock:
            if key not in self._engines:
                self._engines[key] = self._make(version)
            return self._engines[key]

    def drop(self, version: JudgeVersion) -> None:
        """Forget the engine of a judge, which was lost; `of` makes another."""
        key = _key(version)
        with self._lock:
            engine = self._engines.pop(key, None)
        if engine is not None:
            engine.close()

    @property
    def running(self) -> Mapping[tuple[str, str], Engine]:
        """Engines by (weights, number format)."""
        return dict(self._engines)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            engines, self._engines = self._engines, {}
        for engine in engines.values():
            engine.close()


def _key(version: JudgeVersion) -> tuple[str, str]:
    """What judges share that share an engine."""
    return (version.id if version.method == "full" else version.backbone.weights_digest, version.dtype)
