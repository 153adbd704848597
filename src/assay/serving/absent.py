"""AbsentJudge: stands in for a version that is not in memory. Asked, it says why, and the fallback chain speaks."""

from assay.inference.engine import Priority
from assay.judging.modes import check_mode
from assay.schema.criterion import Criterion
from assay.schema.errors import AssayError, InputError
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Failed, Mode

BROKEN = "broken"  # the reason code of whatever has none of its own


class AbsentJudge:
    """See `judges_loaded.ServingJudge`. `why` is what kept the version from being loaded."""

    def __init__(self, version: JudgeVersion, why: Exception) -> None:
        self._version = version
        self._why = why

    @property
    def id(self) -> str:
        """The version."""
        return self._version.id

    @property
    def criterion(self) -> Criterion:
        """Its question."""
        return self._version.criterion

    async def judge_async(
        self, example: Example, *, deadline_s: float | None, priority: Priority, mode: Mode
    ) -> Failed:
        """A failed verdict with the reason. Raises UnsupportedJudgeError, as the judge itself would."""
        del example, deadline_s, priority
        check_mode(self._version, mode)
        code, reason = BROKEN, "the judge could not be loaded"
        if isinstance(self._why, AssayError) and not isinstance(self._why, InputError):  # the caller gave no bad input
            code, reason = self._why.code, self._why.problem
        return Failed(reason=reason, action=self._version.fallback, judge=self.id, reason_code=code)
