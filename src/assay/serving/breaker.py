"""Breaker: stops asking what keeps failing, and lets one request try again after a while.

Closed until `failures` in a row; then open for `open_s`; then one request is the trial, whose end closes or opens it
anew. The clock is monotonic, so a jump of the wall clock neither opens nor holds it. Not for several threads: the
requests of one event loop share it.
"""

import time
from collections.abc import Callable
from typing import Literal, TypeAlias

State: TypeAlias = Literal["closed", "open", "trying"]
FAILURES = 5
OPEN_S = 30.0


class Breaker:
    """The state of one thing that may fail, such as an endpoint."""

    def __init__(
        self, *, failures: int = FAILURES, open_s: float = OPEN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failed = 0
        self._opened_at = 0.0
        self._state: State = "closed"

    @property
    def state(self) -> State:
        """For metrics; `admits` may change it."""
        return self._state

    def admits(self) -> bool:
        """Whether a request may try now. Each one that may must end with `succeeded`, `failed` or `gave_up`."""
        if self._state == "open" and self._clock() - self._opened_at >= self._open_s:
            self._state = "trying"
            return True
        return self._state == "closed"

    def succeeded(self) -> None:
        """The request got an answer."""
        self._failed, self._state = 0, "closed"

    def failed(self) -> None:
        """The request got none, and that was the fault of what was asked."""
        self._failed += 1
        if self._state == "trying" or self._failed >= self._limit:
            self._state, self._opened_at = "open", self._clock()

    def gave_up(self) -> None:
        """The request ended without news of what was asked (it was cancelled, or never sent): a trial is free again."""
        if self._state == "trying":
            self._state = "open"


class Breakers:
    """One breaker for each name, shared by all who ask the same thing."""

    def __init__(self, make: Callable[[], Breaker] = Breaker) -> None:
        self._make = make
        self._known: dict[str, Breaker] = {}

    def of(self, name: str) -> Breaker:
        """The breaker of a name, made when it is first asked for."""
        return self._known.setdefault(name, self._make())

    def states(self) -> dict[str, State]:
        """Name → state, for metrics and readiness."""
        return {name: breaker.state for name, breaker in sorted(self._known.items())}
