"""OTLP → spans of LLM calls. Reads JSON and protobuf, and the attribute names of three conventions.

    spans_of(body, "application/json")

OpenTelemetry's GenAI conventions (`gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.conversation.id`), the
indexed attributes of OpenLLMetry (`gen_ai.prompt.0.content`) and of OpenInference (`llm.input_messages.0.message.…`).
A span without messages is no LLM call and is passed over.
"""

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.schema.errors import InputError, MissingExtraError, shown

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/x-protobuf"
MAX_DEPTH = 32
MAX_TEXT = 200
SESSION_NAMES = ("gen_ai.conversation.id", "session.id")
INPUT_NAMES = ("gen_ai.system_instructions", "gen_ai.input.messages")
OUTPUT_NAMES = ("gen_ai.output.messages",)
_INDEXED = re.compile(
    r"(?P<side>gen_ai\.prompt|gen_ai\.completion|llm\.input_messages|llm\.output_messages)"
    r"\.(?P<number>\d{1,4})\.(?:message\.)?(?P<field>role|content)"
)
_OUTPUT_SIDES = ("gen_ai.completion", "llm.output_messages")
_IDS = ("traceId", "spanId", "parentSpanId")
_HEX = re.compile(r"[0-9a-fA-F]{16}(?:[0-9a-fA-F]{16})?")
_SPOILS_KEYS = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_ROLES = ("system", "user", "assistant", "tool", "developer", "human", "ai", "model", "function")
MAX_DIGITS = 20


@dataclass(frozen=True, kw_only=True)
class GenAiSpan:
    """One LLM call: what went in and what came out, as messages `{role, content}`."""

    trace_id: str
    span_id: str
    parent_id: str
    session_id: str | None
    name: str
    start_ns: int
    input: tuple[Mapping[str, str], ...]
    output: tuple[Mapping[str, str], ...]


def spans_of(body: bytes, media_type: str) -> list[GenAiSpan]:
    """The LLM calls of an export request. Raises InputError, MissingExtraError (protobuf)."""
    values = _from_json(body) if media_type == JSON_TYPE else _from_protobuf(body)
    spans = []
    for resource in _items(values, "resourceSpans"):
        for scope in _items(resource, "scopeSpans"):
            spans += [span for raw in _items(scope, "spans") if (span := _span(raw)) is not None]
    return spans


def _from_json(body: bytes) -> Mapping[str, Any]:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("The body is not JSON.", required="an OTLP ExportTraceServiceRequest") from None
    if not isinstance(values, dict):
        raise InputError("The body is not an OTLP request.", required="a JSON object", got=shown(values))
    return values


def _from_protobuf(body: bytes) -> Mapping[str, Any]:
    try:
        from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - an extra
        from google.protobuf.message import DecodeError  # noqa: PLC0415
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtraError(
            "Spans as protobuf need the extra 'otel'.",
            required="opentelemetry-proto",
            next_step="pip install 'assay[otel]', or send JSON",
        ) from None
    request = trace_service_pb2.ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise InputError("The body is not protobuf.", required="an OTLP ExportTraceServiceRequest") from None
    values: dict[str, Any] = MessageToDict(request)
    for resource in _items(values, "resourceSpans"):
        for scope in _items(resource, "scopeSpans"):
            for span in _items(scope, "spans"):  # ids are hexadecimal in OTLP's JSON, base64 in protobuf's own
                span.update({name: b64decode(span.get(name, "")).hex() for name in _IDS})
    return values


def _items(values: Mapping[str, Any], name: str) -> list[Any]:
    items = values.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InputError(f"{name} is not a list of objects.", required="an OTLP ExportTraceServiceRequest")
    return items


def _span(raw: Mapping[str, Any]) -> GenAiSpan | None:
    attributes = _attributes(raw)
    for event in _items(raw, "events"):
        attributes |= _attributes(event)
    said_in, said_out = _indexed(attributes)
    said_in = [*_messages(attributes, INPUT_NAMES, "user"), *said_in]
    said_out = [*_messages(attributes, OUTPUT_NAMES, "assistant"), *said_out]
    if not said_out:
        return None
    session = next((str(attributes[name]) for name in SESSION_NAMES if attributes.get(name)), None)
    return GenAiSpan(
        trace_id=_identifier(raw, "traceId"),
        span_id=_identifier(raw, "spanId"),
        parent_id=str(raw.get("parentSpanId") or "")[:MAX_TEXT],
        session_id=None if session is None else _SPOILS_KEYS.sub("?", session)[:MAX_TEXT],
        name=str(raw.get("name") or "")[:MAX_TEXT],
        start_ns=_nanoseconds(raw.get("startTimeUnixNano")),
        input=tuple(said_in),
        output=tuple(said_out),
    )


def _identifier(raw: Mapping[str, Any], name: str) -> str:
    text = raw.get(name)
    if not isinstance(text, str) or not _HEX.fullmatch(text):
        raise InputError(f"A span has no {name}.", required="16 or 32 hexadecimal digits", got=shown(text))
    return text.lower()


def _nanoseconds(value: Any) -> int:
    text = str(value if value is not None else 0)
    return int(text) if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS else 0


def _attributes(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {str(item.get("key")): _value(item.get("value"), 0) for item in _items(raw, "attributes")}


def _value(value: Any, depth: int) -> Any:
    """An OTLP AnyValue as a plain one."""
    if not isinstance(value, Mapping) or depth > MAX_DEPTH:
        return None
    for kind in ("stringValue", "boolValue", "intValue", "doubleValue"):
        if kind in value:
            return value[kind]
    if isinstance(value.get("arrayValue"), Mapping):
        return [_value(item, depth + 1) for item in _items(value["arrayValue"], "values")]
    if isinstance(value.get("kvlistValue"), Mapping):
        pairs = _items(value["kvlistValue"], "values")
        return {str(pair.get("key")): _value(pair.get("value"), depth + 1) for pair in pairs}
    return None


def _messages(attributes: Mapping[str, Any], names: Sequence[str], role: str) -> list[Mapping[str, str]]:
    """Messages that stand whole in an attribute, as JSON text or as structure."""
    found = []
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = [{"role": role, "content": value}]
        if not isinstance(value, list):
            continue
        if name == "gen_ai.system_instructions":
            value = [{"role": "system", "parts": value}]
        found += [message for item in value if (message := _message(item, role)) is not None]
    return found


def _message(item: Any, role: str) -> Mapping[str, str] | None:
    if not isinstance(item, Mapping):
        return None
    parts = item.get("parts", item.get("content"))
    text = parts if isinstance(parts, str) else "\n".join(_part_texts(parts))
    given = item.get("role")
    return {"role": given if isinstance(given, str) and given in _ROLES else role, "content": text} if text else None


def _part_texts(parts: Any) -> Iterable[str]:
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            said = part.get("content", part.get("text", part.get("response")))
            if isinstance(said, str):
                yield said
            elif part.get("type") == "tool_call":
                yield f"[tool call] {part.get('name')} {json.dumps(part.get('arguments'), default=str)}"


def _indexed(attributes: Mapping[str, Any]) -> tuple[list[Mapping[str, str]], list[Mapping[str, str]]]:
    """Messages that stand in one attribute a field, with their number in its name."""
    found: dict[tuple[bool, int], dict[str, str]] = {}
    for name, value in attributes.items():
        match = _INDEXED.fullmatch(name)
        if match and isinstance(value, str):
            is_output = match["side"] in _OUTPUT_SIDES
            found.setdefault((is_output, int(match["number"])), {})[match["field"]] = value
    sides: tuple[list[Mapping[str, str]], list[Mapping[str, str]]] = ([], [])
    for (is_output, _), message in sorted(found.items()):
        read = _message(message, "assistant" if is_output else "user")
        if read is not None:
            sides[is_output].append(read)
    return sides
