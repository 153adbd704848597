"""The Runner's contract: what owns the device of this process, and what a pass is asked for and gives.

`LocalEngine` calls it; `torch.runner` and `int8.runner` implement it. A runner sees no queue, deadline or future.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import numpy as np

from assay.inference.endings import closed
from assay.schema.judge_version import JudgeVersion

Reads: TypeAlias = Literal["labels", "next-token"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one request wants of the next pass: the label scores, or the next token, after its last token.

    The judge's adapter is live from position `adapter_from` on; the first `lasting` tokens may come again in other
    requests.
    """

    judge: str
    ids: tuple[int, ...]
    reads: Reads
    adapter_from: int = 0
    lasting: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Read:
    """What a pass read for one piece of work."""

    scores: np.ndarray | None = None  # (k,) float64, where labels were read
    token: int | None = None  # the next token; None is the end of the explanation
    computed_tokens: int
    shared_tokens: int = 0


class OutOfMemory(Exception):  # noqa: N818 - the engine handles it; it never reaches a caller
    """A pass did not fit into the device's memory."""


class Runner(Protocol):
    """The part that computes. All but `load` is called from one thread at a time."""

    @property
    def backend(self) -> str:
        """Its name in the table of `inference.support`."""
        ...

    @property
    def device(self) -> str:
        """What it computes on, such as `cpu`; its engines share one thread (`inference.device_thread`)."""
        ...

    @property
    def explains(self) -> bool:
        """Whether it can read next tokens: not before the first judge is there, and not for encoders."""
        ...

    def load(self, version: JudgeVersion, folder: Path) -> Callable[[], None]:
        """Read a judge from disk (slow, any thread) and return what installs it (fast, between two passes)."""
        ...

    def unload(self, judge: str) -> None:
        """Forget a judge."""
        ...

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """Places of the candidates that go into the next pass, the first (most urgent) one always among them."""
        ...

    def run(self, works: Sequence[Work]) -> list[Read]:
        """One pass, a Read for each piece of work. Raises OutOfMemory; then nothing of it was kept."""
        ...


class NoRunner:
    """What a closed engine has in the place of its runner, whose memory is free then."""

    backend = device = "none"
    explains = False

    def load(self, version: JudgeVersion, folder: Path) -> Callable[[], None]:
        """Raises EngineLostError."""
        raise closed()

    def unload(self, judge: str) -> None:
        """There is no judge."""

    def take(self, candidates: Sequence[Work], token_budget: int) -> list[int]:
        """Raises EngineLostError."""
        raise closed()

    def run(self, works: Sequence[Work]) -> list[Read]:
        """Raises EngineLostError."""
        raise closed()
