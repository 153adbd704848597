"""Asked and Answered: one request for verdicts and what became of it, whichever way it came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from assay.inference.engine import Priority
from assay.ingest.mapping import FieldMapping
from assay.schema.example import Example
from assay.schema.verdict import Action, Mode
from assay.store.verdicts import GivenVerdict

AS_OUR_FIELDS = FieldMapping()
_STRICTEST: tuple[Action, ...] = ("block", "flag", "allow-and-flag", "allow")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One thing to be judged by one judge or several.

    `values` are the fields of the example as they came. `deadline_s` is on the monotonic clock. `key` is what a canary
    share is drawn by: one conversation should stay with one version. With `waits` it is let in as soon as there is
    room, else it is refused at once. `span_id` and `trace_id` name what is judged.
    """

    request_id: str
    judges: tuple[str, ...]
    values: Mapping[str, Any]
    deadline_s: float
    key: str
    mode: Mode = "single-token"
    priority: Priority = Priority.GUARDRAIL
    waits: bool = False
    event_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None

    @cached_property
    def chars(self) -> int:
        """The length of what is judged."""
        return chars_of(self.values)


@dataclass(frozen=True, kw_only=True)
class VerdictGiven:
    """A verdict as given, with the example it is about (as it came, not redacted)."""

    given: GivenVerdict
    example: Example


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The verdicts in the order of the judges asked, and what they mean together."""

    request_id: str
    verdicts: tuple[VerdictGiven, ...]

    @property
    def action(self) -> Action:
        """The strictest of the verdicts' actions."""
        return strictest([one.given.action for one in self.verdicts])


class Keeps(Protocol):
    """Where a verdict goes before it is given: nothing is answered that was not kept."""

    async def keep(self, verdicts: tuple[VerdictGiven, ...]) -> None:
        """Take over verdicts for good. Raises AssayError where that cannot be done; then they are not given."""
        ...


def chars_of(values: Mapping[str, Any]) -> int:
    """The length of the fields of an example, as they came.

    >>> chars_of({"input": "Which fund?", "output": "Apex."})
    16
    """
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in values.values())


def strictest(actions: list[Action]) -> Action:
    """What holds when several actions stand beside each other.

    >>> strictest(["allow", "block", "flag"])
    'block'
    """
    return min(actions, key=_STRICTEST.index)
