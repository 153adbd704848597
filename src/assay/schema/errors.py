"""Errors a user can act on: what was required, what came, what to do next.

Every refusal in Assay is an `AssayError`. The command line prints it and exits with status 2; over HTTP it becomes one
problem-JSON shape. The text never carries a user's whole content: values go through `shown`.
"""

from typing import Any


class AssayError(Exception):
    """A refusal with a sentence for the user.

    Args:
        problem: one sentence, what is wrong.
        required: what would have been accepted.
        got: what came; pass user values through `shown` first.
        next_step: what to do next, preferably a command.

    """

    code = "error"

    def __init__(self, problem: str, *, required: str = "", got: str = "", next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.required = required
        self.got = got
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [self.problem]
        if self.required:
            parts.append(f"Required: {self.required}.")
        if self.got:
            parts.append(f"Got: {self.got}.")
        if self.next_step:
            parts.append(f"Next: {self.next_step}.")
        return " ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """The error as plain JSON values, empty parts left out."""
        parts = {
            "code": self.code,
            "problem": self.problem,
            "required": self.required,
            "got": self.got,
            "next_step": self.next_step,
        }
        return {name: part for name, part in parts.items() if part}


class InputError(AssayError):
    """Something the user gave (a row, a file, an option, a criterion) is not acceptable."""

    code = "bad-input"


class NotFoundError(AssayError):
    """A name (judge, dataset, criterion, backbone, file) points at nothing."""

    code = "not-found"


class ConflictError(AssayError):
    """Two things contradict each other: one id with two texts, a version that exists with other content."""

    code = "conflict"


class IntegrityError(AssayError):
    """Stored bytes do not match their digest, or a file is missing or of a forbidden kind."""

    code = "damaged"


class RefusedError(AssayError):
    """The input is fine, but a rule of the house (freeze minimums, a gate, a budget) says no."""

    code = "refused"


class UnsupportedJudgeError(RefusedError):
    """A backend cannot run this kind of judge."""

    code = "unsupported-judge"


class OverloadedError(AssayError):
    """There is more work than the engine or the server can take on now; the same request may succeed later."""

    code = "overloaded"
    retry_after_s = 1.0  # when to come again, as far as whoever refuses can tell


class DeadlineExceededError(AssayError):
    """The answer did not come before the request's deadline."""

    code = "deadline-exceeded"


class EngineLostError(AssayError):
    """The engine under a judge stopped, or cannot be reached."""

    code = "engine-lost"


class RequestFailedError(AssayError):
    """The engine could not do this one request; it goes on with others."""

    code = "request-failed"


class LanguageModelError(AssayError):
    """A language model at an endpoint did not answer."""

    code = "llm-failed"


class BudgetSpentError(RefusedError):
    """The month's cap on spending would be passed."""

    code = "budget-spent"


class MissingExtraError(AssayError):
    """An optional package is needed and not installed."""

    code = "missing-extra"


def shown(value: object, limit: int = 80) -> str:
    """`repr` of a value cut to `limit` characters, for error messages.

    >>> shown("a" * 100, limit=12)
    "'aaaaaaaa… (102 characters)"
    """
    text = repr(value)
    return text if len(text) <= limit else f"{text[: max(limit - 3, 1)]}… ({len(text)} characters)"
