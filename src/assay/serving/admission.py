"""Admission: how much work is let in, measured in tokens, so that a request is refused before latency collapses.

    with admission.admitted(tokens=120, priority=Priority.GUARDRAIL, left_s=0.5):    # or OverloadedError at once
        …

What is in flight divided by the rate at which tokens are done is how long a new request will wait (Little, 1961). A
request that would wait for more than half of the time it has left is refused with the time after which it may come
again; so is one that finds the absolute bound reached. Less urgent work may fill only a part of either bound: shadow
copies are shed first, guardrails last. Whoever would rather wait than be refused awaits `room` before. The rate is
measured while there is work, so a quiet hour does not look like a slow engine. Not safe between threads: it belongs to
the event loop.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assay.inference.engine import Priority
from assay.schema.errors import OverloadedError

CHARS_PER_TOKEN = 4  # of English text; admission needs the order of magnitude, the engine counts exactly
ALWAYS_ADMITTED_TOKENS = 2048  # a second at most, on a slow CPU; the rate of a quiet or cold engine says too little
SHARE_OF_TIME = 0.5  # of what a request has left, that it may spend waiting
PARTS = {Priority.GUARDRAIL: 1.0, Priority.ASYNCHRONOUS: 0.6, Priority.SHADOW: 0.2, Priority.BATCH: 0.4}
_RATE_WINDOW_S = 5.0  # the half-life of what the rate remembers, in busy time


@dataclass(kw_only=True)
class Admitted:
    """A request that was let in. What ran out of time was not done: `done_tokens` is lowered by it."""

    done_tokens: int


class Admission:
    """The gate of one server. `clock` gives monotonic seconds."""

    def __init__(self, *, max_tokens: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_tokens = max_tokens
        self._clock = clock
        self.tokens_in_flight = 0
        self._done_tokens = 0.0
        self._busy_s = 0.0
        self._busy_since: float | None = None
        self._turns = {priority: asyncio.Lock() for priority in Priority}
        self._freed = asyncio.Event()

    @property
    def tokens_per_s(self) -> float | None:
        """The rate at which admitted tokens are done; None before anything was."""
        busy_s = self._busy_s + (0.0 if self._busy_since is None else self._clock() - self._busy_since)
        return self._done_tokens / busy_s if self._done_tokens and busy_s > 0 else None

    @contextmanager
    def admitted(self, *, tokens: int, priority: Priority, left_s: float) -> Iterator[Admitted]:
        """Hold the tokens of one request while it runs. Of what it yields, `done_tokens` counts for the rate.

        Raises OverloadedError, whose `retry_after_s` says when to come again.
        """
        if not self._fits(tokens, priority, left_s):
            raise self._refusal(tokens, priority, left_s)
        self._settle()
        self.tokens_in_flight += tokens
        self._busy_since = self._clock()
        admitted = Admitted(done_tokens=tokens)
        try:
            yield admitted
        finally:
            self._settle()
            self.tokens_in_flight -= tokens
            self._done_tokens += admitted.done_tokens
            if self.tokens_in_flight <= 0:
                self._busy_since = None
            self._freed.set()

    async def room(self, *, tokens: int, priority: Priority, deadline_s: float) -> None:
        """Wait until there is room for such a request, which `admitted` then lets in, if it is asked at once. Equals
        wait in line. `deadline_s` is on the monotonic clock.

        Raises OverloadedError where there is none before the deadline.
        """
        try:
            async with asyncio.timeout(deadline_s - self._clock()), self._turns[priority]:
                while not self._fits(tokens, priority, deadline_s - self._clock()):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise self._refusal(tokens, priority, 0.0) from None

    def bound(self, priority: Priority, left_s: float) -> float:
        """Tokens that may be in flight when a request of this kind comes."""
        rate = self.tokens_per_s
        by_time = float("inf") if rate is None else max(rate * left_s * SHARE_OF_TIME, ALWAYS_ADMITTED_TOKENS)
        return min(by_time, self._max_tokens) * PARTS[priority]

    def _fits(self, tokens: int, priority: Priority, left_s: float) -> bool:
        return not self.tokens_in_flight or self.tokens_in_flight + tokens <= self.bound(priority, left_s)

    def _refusal(self, tokens: int, priority: Priority, left_s: float) -> OverloadedError:
        bound = self.bound(priority, left_s)
        refusal = OverloadedError(
            "There is more to judge than can be judged in time.",
            required=f"at most {bound:.0f} tokens in flight for {priority.name.lower()} requests",
            got=f"{self.tokens_in_flight} in flight and {tokens} more",
            next_step="send it again after the time in Retry-After, or allow it more time",
        )
        rate = self.tokens_per_s
        refusal.retry_after_s = max((self.tokens_in_flight + tokens - bound) / rate, 0.05) if rate else 1.0
        return refusal

    def _settle(self) -> None:
        """Add the busy time until now, and let the past fade."""
        if self._busy_since is None:
            return
        now = self._clock()
        self._busy_s += now - self._busy_since
        self._busy_since = now
        if self._busy_s > _RATE_WINDOW_S:
            self._busy_s /= 2
            self._done_tokens /= 2


def estimated_tokens(chars: int, judges: int) -> int:
    """Tokens of a text under several judges, before anything is tokenised.

    >>> estimated_tokens(400, 2)
    232
    """
    return (chars // CHARS_PER_TOKEN + 16) * judges
