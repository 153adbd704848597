"""FallbackChain: who answers when a judge cannot run. Language model, then rules, then the version's action.

    verdict = await chain.answer(example, "deadline-exceeded", deadline_s=time.monotonic() + 1.5)

Every verdict says who spoke (`route`: fallback.llm, fallback.rules, fallback.action) and why the judge did not
(`reason_code`: overloaded, deadline-exceeded, engine-lost, …); a Failed one lists in `reason` why each rung was silent.
It is signed with the judge version whose chain it is. A server gives the judge the request's deadline less
`reserve_s`, so that the rungs have time.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Failed, Verdict
from assay.serving.rung import ReadyRung, Silence


class FallbackChain:
    """The rungs of one judge version, ready to speak. Never raises: the last rung is an action."""

    def __init__(self, version: JudgeVersion, rungs: Sequence[ReadyRung]) -> None:
        self.version = version
        self._rungs = tuple(rungs)

    @property
    def reserve_s(self) -> float:
        """Seconds that all rungs together may take."""
        return sum(rung.budget_s for rung in self._rungs)

    @property
    def missing(self) -> tuple[str, ...]:
        """Why rungs of the version cannot speak here, for readiness and logs."""
        return tuple(rung.missing for rung in self._rungs if rung.missing)

    def judge_until(self, deadline_s: float) -> float:
        """When the judge must have answered, so that the rungs have their time; half of the time at the least."""
        reserve_s = self.reserve_s
        if not reserve_s:
            return deadline_s
        now = time.monotonic()
        return max(deadline_s - reserve_s, now + (deadline_s - now) / 2)

    async def answer(self, example: Example, reason_code: str, *, deadline_s: float | None = None) -> Verdict:
        """The first rung's decision, or a Failed verdict with the version's action.

        Args: `reason_code`, why the judge did not answer (the code of the error); `deadline_s`, when the request's
        time is over on the monotonic clock, None for no deadline.
        """
        began = time.monotonic()
        silent = []
        for rung in self._rungs:
            said = await rung.ask(example, deadline_s)
            latency_ms = (time.monotonic() - began) * 1000
            if not isinstance(said, Silence):
                route = f"fallback.{rung.kind}"
                return replace(said, judge=self.version.id, route=route, reason_code=reason_code, latency_ms=latency_ms)
            silent.append(f"{rung.kind}: {said.code}")
        return Failed(
            reason="; ".join([f"the judge could not answer: {reason_code}", *silent]),
            action=self.version.fallback,
            judge=self.version.id,
            latency_ms=(time.monotonic() - began) * 1000,
            route="fallback.action",
            reason_code=reason_code,
        )
