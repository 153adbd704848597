"""LargerJudge: another judge version of this server as the one that an escalation goes to.

    larger = LargerJudge("advice_large-3f2a91c0", judges)      # JudgesLoaded
    rungs.escalator(version, larger=larger)

It is loaded when the first example comes. Only the judge itself is asked, neither its fallback chain nor its own
escalation, so that no circle of judges can come about.
"""

import time
from contextlib import AbstractContextManager
from typing import Protocol

from assay.inference.engine import Priority
from assay.schema.errors import AssayError
from assay.schema.example import Example
from assay.schema.verdict import Failed, Verdict
from assay.serving.judges_loaded import ReadyJudge


class Judges(Protocol):
    """What holds judges, as `JudgesLoaded` does."""

    async def using(self, version_id: str, deadline_s: float) -> AbstractContextManager[ReadyJudge]:
        """A version, loaded if need be. Raises AssayError."""
        ...


class LargerJudge:
    """Asks a judge version with the priority of a request that somebody waits for."""

    def __init__(self, version_id: str, judges: Judges) -> None:
        self._version_id = version_id
        self._judges = judges

    @property
    def id(self) -> str:
        """The version that answers."""
        return self._version_id

    async def judge_within(self, example: Example, timeout_s: float) -> Verdict:
        """The verdict on one example; one that could not be given is Failed with the error's code."""
        deadline_s = time.monotonic() + timeout_s
        try:
            with await self._judges.using(self._version_id, deadline_s) as ready:
                return await ready.judge.judge_async(
                    example, deadline_s=deadline_s, priority=Priority.GUARDRAIL, mode="single-token"
                )
        except AssayError as error:
            reason = f"{error.code}: {error.problem}"
            return Failed(reason=reason, action="flag", judge=self.id, route="judge", reason_code=error.code)
