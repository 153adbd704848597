"""ReadyRung: something that may answer in a judge's place, with its time budget and its breaker.

`await rung.ask(example, deadline_s)` gives its Decided verdict, or a Silence that says why it did not speak: the one
place where time, breaker and malformed answers are looked after, for fallback and escalation alike.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal, Protocol

from assay.schema.example import Example
from assay.schema.verdict import Abstained, Decided, Verdict
from assay.serving.breaker import Breaker

# what a Failed verdict can be without any fault of the one that was asked
NOT_ITS_FAULT = frozenset({"budget-spent", "not-found", "bad-input", "missing-extra"})


class TimedJudge(Protocol):
    """What a rung asks: an LlmJudge, a RuleJudge, or a larger small judge in the server."""

    @property
    def id(self) -> str:
        """Who answers."""
        ...

    async def judge_within(self, example: Example, timeout_s: float) -> Verdict:
        """The verdict on one example, a Failed one where it could not be given in time."""
        ...


@dataclass(frozen=True, kw_only=True)
class Silence:
    """A rung that did not decide. `code` is one word for reason codes."""

    code: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadyRung:
    """One rung. `judge` is None where it cannot be had here (`missing` says why): it is then silent."""

    kind: Literal["llm", "rules", "judge"]
    judge: TimedJudge | None
    budget_s: float
    breaker: Breaker
    missing: str = ""

    async def ask(self, example: Example, deadline_s: float | None) -> Decided | Silence:
        """The rung's decision, within its budget and before the deadline (on the monotonic clock)."""
        if self.judge is None:
            return Silence(code="not-configured")
        left_s = self.budget_s if deadline_s is None else min(self.budget_s, deadline_s - time.monotonic())
        if left_s <= 0:
            return Silence(code="no-time")
        if not self.breaker.admits():
            return Silence(code="circuit-open")
        return await self._ask(self.judge, example, left_s)

    async def _ask(self, judge: TimedJudge, example: Example, left_s: float) -> Decided | Silence:
        try:
            async with asyncio.timeout(left_s):
                verdict = await judge.judge_within(example, left_s)
        except TimeoutError:
            self.breaker.failed()
            return Silence(code="timeout")
        except asyncio.CancelledError:
            self.breaker.gave_up()
            raise
        except Exception:  # a rung that breaks must not take the request with it
            self.breaker.failed()
            return Silence(code="broken")
        if isinstance(verdict, Decided | Abstained):
            self.breaker.succeeded()
            return verdict if isinstance(verdict, Decided) else Silence(code="abstained")
        if verdict.reason_code in NOT_ITS_FAULT:
            self.breaker.gave_up()
        else:
            self.breaker.failed()
        return Silence(code=verdict.reason_code)
