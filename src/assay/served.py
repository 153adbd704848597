"""Served: what a server answers, as `assay.Client` gives it.

    served(Answer, values)      # from the JSON of an answer

Knows no HTTP. A field that it does not know is left out, for a server may be newer than its client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from assay.schema.errors import InputError, shown
from assay.schema.verdict import Action

Served = TypeVar("Served")


@dataclass(frozen=True, kw_only=True)
class PersonSaid:
    """What one labeller answered of an escalated verdict."""

    labeller: str
    value: str
    note: str
    at: str


@dataclass(frozen=True, kw_only=True)
class ServedPerson:
    """What people have made of a verdict that was escalated to them: pending (just given, on its way to their queue),
    awaiting, answered (with a label), disputed; or not-queued, where it could not come to a queue.
    """

    state: str
    queue: str | None
    position: int | None
    label: str | None
    answers: tuple[PersonSaid, ...]


@dataclass(frozen=True, kw_only=True)
class ServedVerdict:
    """One verdict as the server gave it; what a kind does not have is None or empty."""

    id: str
    judge: str
    name: str
    criterion: str
    role: str
    kind: str
    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    action: Action
    route: str
    reason_code: str
    reason: str | None
    mode: str | None
    truncated_tokens: int
    latency_ms: float
    service_ms: float
    request_id: str
    event_id: str | None
    trace_id: str | None
    span_id: str | None
    created_at: str
    explanation: str | None = None
    explanation_cut: bool = False
    person: ServedPerson | None = None
    example: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The verdicts in the order of the judges asked, and the strictest of their actions."""

    request_id: str
    action: Action
    verdicts: tuple[ServedVerdict, ...]


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """What stands in a batch where an example has no answer: 422 cannot be judged, 429 found no room in time."""

    status: int
    code: str
    problem: str
    required: str = ""
    got: str = ""
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class ServedEvent:
    """Where an event is: waiting, or done, with its verdicts."""

    event_id: str
    state: str
    attempts: int
    created_at: str
    done_at: str | None
    verdicts: tuple[ServedVerdict, ...]


@dataclass(frozen=True, kw_only=True)
class ServedLabel:
    """What a label was taken for; `queue` is the labelling queue in which it is an expert's answer."""

    example_id: str
    criterion: str
    new: bool
    queue: str | None


@dataclass(frozen=True, kw_only=True)
class ServedJudge:
    """A judge version of the server. `positive` and `threshold` are those of a binary scale."""

    id: str
    name: str
    criterion: str
    question: str
    labels: tuple[str, ...]
    positive: str | None
    threshold: float | None
    aliases: tuple[str, ...]
    loaded: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ServedJudges:
    """The judges of the server, and what it could not load, by name."""

    judges: tuple[ServedJudge, ...]
    problems: Mapping[str, str]


def served(cls: type[Served], values: Any) -> Served:
    """An answer from its JSON values. Raises InputError where it is not of this shape."""
    try:
        answer: Served = _adapter(cls).validate_python(values)  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"The server's answer is no {cls.__name__}.",
            required=f"{where}: {first['msg']}" if where else first["msg"],
            got=shown(first.get("input")),
            next_step="check that the address is that of an Assay server, and compare its version with this one",
        ) from None
    return answer


@lru_cache(maxsize=16)
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
