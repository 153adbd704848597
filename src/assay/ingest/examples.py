"""A row's values → an Example.

`example_of(values, mapping, criterion)` reads our own fields, the benchmark record shape and OpenAI `messages`. What
cannot be judged or stored is an InputError that names the field. Knows nothing of files, labels or the store.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, get_args

from assay.ingest.jsonl import parse_json
from assay.ingest.mapping import FieldMapping, extra_fields, look, refuse_extra
from assay.ingest.text import is_visible, unstorable
from assay.ingest.turns import content_of, spoken, turns_of
from assay.schema.criterion import Criterion, Field
from assay.schema.errors import InputError, shown
from assay.schema.example import CONTENT_FIELDS, Example, ExampleSource, content_id, field_text
from assay.schema.records import to_jsonable
from assay.schema.trace import Content

_TEXT_FIELDS = tuple(name for name in CONTENT_FIELDS if name != "turns")
_SOURCES = get_args(ExampleSource)
_NO_ID = ""


def example_of(values: Mapping[str, Any], mapping: FieldMapping, criterion: Criterion) -> Example:
    """The example in a row; its id is the digest of its content where the row has none. Raises InputError naming the
    field.
    """
    problem = unstorable(dict(values))
    if problem:
        raise InputError(problem, required="text that can be stored", next_step="remove it")
    extra = extra_fields(values, mapping)
    if not mapping.keep_extra:
        refuse_extra(extra)
    example = Example(
        id=_identifier(look(values, "id", mapping), "id") or _NO_ID,
        source=_source(look(values, "source", mapping) or mapping.source),
        group=_identifier(look(values, "group", mapping), "group"),
        weight=_weight(look(values, "weight", mapping)),
        meta={**_meta(values, mapping), **extra},
        **_contents(values, mapping, criterion),
    )
    _refuse_unreadable(example, criterion.reads)
    return example if example.id != _NO_ID else replace(example, id=content_id(example.content()))


def structured(value: Any, field: str) -> Any:
    """A value that CSV can only hold as JSON text, parsed. Raises InputError."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        raise InputError(f"{field} is not valid JSON.", required="a JSON list or object", got=shown(value)) from None


def _contents(values: Mapping[str, Any], mapping: FieldMapping, criterion: Criterion) -> dict[str, Any]:
    found: dict[str, Any] = {name: content_of(look(values, name, mapping), name) for name in _TEXT_FIELDS}
    turns = look(values, "turns", mapping)
    found["turns"] = () if turns is None else turns_of(structured(turns, "turns"), "turns")
    messages = look(values, "messages", mapping)
    return found if messages is None else _with_messages(found, messages, criterion.reads)


def _with_messages(found: dict[str, Any], messages: Any, reads: tuple[Field, ...]) -> dict[str, Any]:
    twice = [name for name in ("input", "output", "turns") if found[name]]
    if twice:
        raise InputError("messages and single fields stand in one row.", required="one of the two", got=f"also {twice}")
    said = spoken(turns_of(structured(messages, "messages"), "messages"), reads)
    if said.after and "output" in reads:
        raise InputError(
            "messages ends with a message that nothing answers.",
            required="the answer to be judged as the last message",
            got=f"a message of the {said.after[-1].role}",
        )
    context = _joined(found["context"], said.context)
    return {**found, "turns": said.turns, "input": said.input, "output": said.output, "context": context}


def _joined(context: Content | None, more: str | None) -> Content | None:
    if not context or not more:
        return context or more
    return f"{field_text(context)}\n{more}"


def _meta(values: Mapping[str, Any], mapping: FieldMapping) -> dict[str, Any]:
    meta = structured(look(values, "meta", mapping), "meta")
    if meta is not None and not isinstance(meta, Mapping):
        raise InputError("meta is not an object.", required="an object", got=shown(meta))
    flat = {name.removeprefix("meta."): value for name, value in values.items() if name.startswith("meta.")}
    return {**(meta or {}), **flat}


def _identifier(value: Any, field: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not is_visible(str(value)):
        raise InputError(f"{field} is not a name.", required="text or a whole number", got=shown(value))
    return str(value)


def _source(value: Any) -> ExampleSource:
    if value not in _SOURCES:
        raise InputError(
            "source says where the text is from.",
            required=f"one of {list(_SOURCES)}",
            got=shown(value),
            next_step="map another column to it, or keep it under meta",
        )
    return cast(ExampleSource, value)


def _weight(value: Any) -> float:
    if value is None:
        return 1.0
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = math.nan
    if isinstance(value, bool) or not 0 < weight < math.inf:
        raise InputError("weight is the inverse of a sampling probability.", required="a number > 0", got=shown(value))
    return weight


def _refuse_unreadable(example: Example, reads: tuple[Field, ...]) -> None:
    texts = {name: field_text(getattr(example, name)) for name in reads}
    names = ", ".join(reads)
    if not any(getattr(example, name) for name in reads):
        raise InputError(
            f"Nothing to judge: {names} {'is' if len(reads) == 1 else 'are all'} missing or empty.",
            required=f"text in {names}",
        )
    for name, text in texts.items():
        if text.strip() and not is_visible(text):
            raise InputError(f"{name} holds only control characters.", required="readable text", got=shown(text))
    if not any(is_visible(text) for text in texts.values()) and not _has_image(example, reads):
        raise InputError(f"The text of {names} is empty.", required="readable text in at least one of them")


def _has_image(example: Example, reads: tuple[Field, ...]) -> bool:
    return any('"kind": "image"' in json.dumps(to_jsonable(example)[name]) for name in reads)
