"""What went into a traced call and what came out → `messages`, or `input` and `output`.

`said_of({"question": "Why?"}, {"answer": "Because."})`. Knows no tool.
"""

from collections.abc import Mapping
from typing import Any

from assay.schema.ids import canonical_json

_ASKED = ("question", "query", "input", "prompt", "request")
_ANSWERED = ("answer", "response", "output", "content", "completion", "text")


def said_of(inputs: Any, outputs: Any) -> dict[str, Any]:
    """The fields; what has no known shape is JSON text.

    >>> said_of({"question": "Why?", "k": 3}, {"choices": [{"message": {"content": "Because."}}]})
    {'input': 'Why?', 'output': 'Because.'}
    """
    said = _text(_answer(outputs), _ANSWERED)
    messages = inputs.get("messages") if isinstance(inputs, Mapping) else inputs
    if isinstance(messages, list) and messages and all(isinstance(one, Mapping) and "role" in one for one in messages):
        return {"messages": [*messages, {"role": "assistant", "content": said}]}
    return {"input": _text(inputs, _ASKED), "output": said}


def _answer(outputs: Any) -> Any:
    choices = outputs.get("choices") if isinstance(outputs, Mapping) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        return message.get("content") if isinstance(message, Mapping) else choices[0].get("text")
    return outputs


def _text(value: Any, names: tuple[str, ...]) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        known = next((value[name] for name in names if isinstance(value.get(name), str)), None)
        only = next(iter(value.values())) if len(value) == 1 else None
        if known is not None or isinstance(only, str):
            return known if known is not None else only
    return canonical_json(value)
