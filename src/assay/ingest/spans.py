"""Spans of LLM calls, and how they become something to be judged: one span, a whole trace, or a session.

`values_of(body)` gives the fields of an example from an event's body: `values` as they came, or `spans`, oldest first,
whose messages become one conversation. Knows nothing of OTLP, of judges, or of where events are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]  # role and content
Span = Mapping[str, Any]  # trace_id, span_id, parent_id, start_ns, name, input and output (lists of {role, content})


def values_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of the example that an event is about."""
    if "spans" not in body:
        values: Mapping[str, Any] = body["values"]
        return values
    return conversation(body["spans"])


def conversation(spans: Sequence[Span]) -> dict[str, Any]:
    """The messages of several calls as one conversation.

    A call repeats the messages before it; what a later call adds is what its input has beyond what was said so far. A
    call that repeats nothing goes on with its own input, less what its trace has said already.
    """
    said: list[Message] = []
    by_trace: dict[Any, list[Message]] = {}
    for span in sorted(spans, key=lambda span: (int(span["start_ns"]), str(span["span_id"]))):
        in_trace = by_trace.setdefault(span.get("trace_id"), [])
        new = [*_added(span["input"], said, in_trace), *span["output"]]
        said += new
        in_trace += new
    return {"messages": said}


def _added(given: Sequence[Message], said: Sequence[Message], in_trace: Sequence[Message]) -> list[Message]:
    """What a call's input adds. The same words may be said twice in a conversation, so they are no repetition by
    themselves: the end of what was said must be the beginning of what is given. Instructions stand outside of that.
    """
    instructions = [message for message in given if message["role"] == "system" and message not in said]
    talk = [message for message in given if message["role"] != "system"]
    before = [message for message in said if message["role"] != "system"]
    repeated = next((n for n in range(min(len(talk), len(before)), 0, -1) if before[-n:] == talk[:n]), 0)
    if not repeated:
        return [*instructions, *(message for message in talk if message not in in_trace)]
    return [*instructions, *talk[repeated:]]
