"""Conversations in rows: our `turns` and OpenAI's `messages`, read into turns.

`turns_of(values)` parses a list of `{role, content, tool_calls}`; `spoken(turns, reads)` divides a conversation into
the fields of an example: the last answer is what is judged. Tool calls become readable text. Knows nothing of labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from assay.schema.criterion import Field
from assay.schema.errors import InputError, shown
from assay.schema.ids import canonical_json
from assay.schema.trace import Content, ImagePart, Part, Role, TextPart, Turn, text_of

ROLES: tuple[str, ...] = get_args(Role)
_OTHER_ROLES = {"developer": "system", "human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}
_TEXT_KINDS = ("text", "input_text", "output_text")


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation as fields of an example; absent ones are None or empty. `after` follows the judged answer."""

    turns: tuple[Turn, ...]
    input: Content | None
    output: Content | None
    context: str | None
    after: tuple[Turn, ...]


def turns_of(value: Any, field: str) -> tuple[Turn, ...]:
    """A list of messages as turns. `field` names it in errors. Raises InputError."""
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{field} is not a list.", required="a list of {role, content}", got=shown(value))
    return tuple(_turn(item, f"{field}.{index}") for index, item in enumerate(value))


def _turn(value: Any, where: str) -> Turn:
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is not a message.", required="{role, content}", got=shown(value))
    given = value.get("role")
    role = _OTHER_ROLES.get(str(given), given)
    if role not in ROLES:
        raise InputError(f"{where} has an unknown role.", required=f"one of {list(ROLES)}", got=shown(given))
    content = content_of(value.get("content"), f"{where}.content") or ""
    asked = value.get("tool_calls") or ()
    if not isinstance(asked, list | tuple):
        raise InputError(f"{where}.tool_calls is not a list.", required="a list of calls", got=shown(asked))
    calls = [_call_text(call) for call in asked]
    if isinstance(value.get("function_call"), Mapping):
        calls.append(_call_text({"function": value["function_call"]}))
    if calls:
        content = "\n".join(piece for piece in (text_of(content), *calls) if piece)
    return Turn(role=cast(Role, role), content=content)


def _call_text(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(function, Mapping):
        return f"[tool call] {function}"
    arguments = function.get("arguments", "")
    text = arguments if isinstance(arguments, str) else canonical_json(arguments)
    return f"[tool call] {function.get('name') or '?'}({text})"


def content_of(value: Any, field: str) -> Content | None:
    """Text, or typed parts, or None when absent. A single text part is its text. Raises InputError."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, (list, tuple)):
        parts = tuple(_part(item, f"{field}.{index}") for index, item in enumerate(value))
        return parts[0].text if len(parts) == 1 and isinstance(parts[0], TextPart) else parts
    raise InputError(f"{field} is not content.", required="text, or a list of typed parts", got=shown(value))


def _part(value: Any, where: str) -> Part:
    if isinstance(value, str):
        return TextPart(text=value)
    if isinstance(value, Mapping):
        kind = value.get("type", value.get("kind"))
        text = value.get("refusal") if kind == "refusal" else value.get("text")
        if kind in (*_TEXT_KINDS, "refusal") and isinstance(text, str):
            return TextPart(text=text)
        if kind == "image" and isinstance(value.get("blob"), str):
            return ImagePart(blob=value["blob"])
    raise InputError(
        f"{where} is not a part that can be judged.",
        required='{"type": "text", "text": …} (images only by the digest of their blob)',
        got=shown(value),
    )


def spoken(messages: tuple[Turn, ...], reads: tuple[Field, ...]) -> Conversation:
    """A conversation divided by what the criterion reads.

    The last assistant message is `output`, the last user message before it `input`, what came before that `turns`. Tool
    calls and results between the two become `context`. A criterion that reads no output takes the last user message as
    `input`; one that reads `turns` but no `input` gets there all that came before the answer.
    """
    if "input" not in reads and "output" not in reads and "turns" in reads:
        return Conversation(turns=messages, input=None, output=None, context=None, after=())
    answer = _last(messages, "assistant", len(messages)) if "output" in reads else None
    before_answer = len(messages) if answer is None else answer
    asked = _last(messages, "user", before_answer) if "input" in reads or "turns" not in reads else None
    first = asked if asked is not None else answer if answer is not None else len(messages)
    between = messages[first + 1 : answer] if asked is not None and answer is not None else ()
    last = answer if answer is not None else first
    return Conversation(
        turns=messages[:first],
        input=None if asked is None else messages[asked].content,
        output=None if answer is None else messages[answer].content,
        context="\n".join(f"[{turn.role}] {text_of(turn.content)}" for turn in between) or None,
        after=messages[last + 1 :],
    )


def _last(messages: tuple[Turn, ...], role: Role, before: int) -> int | None:
    return next((index for index in range(before - 1, -1, -1) if messages[index].role == role), None)
