"""LlmFailure: a language model did not answer, and why, in one word that stands in reason codes."""

from typing import Literal, TypeAlias

from assay.schema.errors import LanguageModelError

Cause: TypeAlias = Literal["timeout", "unreachable", "rate-limited", "server-error", "rejected", "malformed"]


class LlmFailure(LanguageModelError):  # noqa: N818 - it is what fails, and is caught by that name
    """A call that brought no answer. `billed` says whether the endpoint may have done the work all the same; `status`
    is that of its HTTP answer, where there was one.
    """

    def __init__(
        self, cause: Cause, problem: str, *, billed: bool = False, status: int | None = None, got: str = ""
    ) -> None:
        super().__init__(problem, got=got)
        self.cause = cause
        self.billed = billed
        self.status = status
