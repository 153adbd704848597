"""Spans of LLM calls, and how they become something to be judged: one span, a whole trace, or a session.

`values_of(body)` gives the fields of an example from an event's body: `values` as they came, or `spans`, oldest first,
whose messages become one conversation. Knows nothing of OTLP, of judges, or of where events are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Span = Mapping[str, Any]  # span_id, parent_id, start_ns, name, input and output (lists of {role, content})


def values_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the example that an event is about."""
    if "spans" not in body:
        values: Mapping[str, Any] = body["values"]
        return values
    return conversation(body["spans"])


def conversation(spans: Sequence[Span]) -> dict[str, Any]:
    """The messages of several calls as one conversation, each message once.

    A call repeats the messages before it; what a later call adds is what its input has beyond what was said so far.
    """
    said: list[Mapping[str, Any]] = []
    for span in sorted(spans, key=lambda span: (int(span["start_ns"]), str(span["span_id"]))):
        for message in (*span["input"], *span["output"]):
            if message not in said:
                said.append(message)
    return {"messages": said}
