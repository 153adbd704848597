"""How a request ends without an answer, in the same words from every engine."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from assay.schema.errors import DeadlineExceededError, EngineLostError, NotFoundError, RequestFailedError, shown


def fail(future: Future[Any], error: Exception) -> None:
    """End a future with an error, whether it waits or runs; one that was cancelled stays so."""
    if future.running() or future.set_running_or_notify_cancel():
        future.set_exception(error)


def closed() -> EngineLostError:
    """The engine was closed."""
    return EngineLostError("The engine was closed.", next_step="build another one")


def no_judge(judge: str, there: Sequence[str]) -> NotFoundError:
    """The engine has no such judge."""
    return NotFoundError(
        f"The engine has no judge {shown(judge)}.", required=f"one of {shown(list(there), 200)}", next_step="add it"
    )


def too_late(waited_s: float) -> DeadlineExceededError:
    """The deadline passed after so many seconds."""
    return DeadlineExceededError(
        "The request's deadline passed.",
        got=f"{waited_s * 1e3:.0f} ms",
        next_step="allow more time, or send less at once",
    )


def too_large(tokens: int) -> RequestFailedError:
    """A request does not fit into the device's memory, though nothing else is there."""
    return RequestFailedError(
        "One request alone does not fit into the device's memory.",
        got=f"{tokens} tokens",
        next_step="send less text, or train the judge with a smaller --max-tokens",
    )


def refused(problem: str, got: str, next_step: str) -> RequestFailedError:
    """The engine cannot do this request."""
    return RequestFailedError(problem, got=got, next_step=next_step)
