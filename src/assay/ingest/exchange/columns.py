"""Columns that a tool's users name as they like (task data, fields of records, columns of tables) → fields.

Our own names are taken as they are, `--field` comes first, the common names below are understood, and the rest goes to
`meta`. Knows no format.
"""

from collections.abc import Mapping
from typing import Any, get_args

from assay.ingest.exchange.asked import Account, Asked
from assay.ingest.mapping import EXAMPLE_FIELDS, LABEL_FIELDS
from assay.schema.example import CONTENT_FIELDS, ExampleSource

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "input": ("prompt", "question", "instruction", "query", "user_input"),
    "output": ("response", "answer", "completion", "reply", "generated_text"),
    "context": ("documents", "retrieved_context", "source_text"),
    "reference": ("expected_output", "ground_truth", "reference_answer"),
    "output_a": ("response_a", "answer_a", "completion_a"),
    "output_b": ("response_b", "answer_b", "completion_b"),
    "messages": ("chat", "conversation", "dialogue"),
}
ONLY_TEXT = ("text", "content", "sentence", "comment")  # of a criterion that reads one field, that field
_SPOKEN = ("input", "output", "turns")  # what a list of messages stands for
_SOURCES = get_args(ExampleSource)


def fields_of(given: Mapping[str, Any], asked: Asked, account: Account, *, labels_too: bool = False) -> dict[str, Any]:
    """The row's fields, the rest under `meta`. With `labels_too` the columns of labels count as well.

    Columns that were understood by another name are kept in the account.
    """
    mapped = asked.mapping.columns
    wanted = set(mapped.values()) | {column.split(".")[0] for column in mapped.values()}
    own = set(EXAMPLE_FIELDS) | (set(LABEL_FIELDS) if labels_too else set())
    own -= {"meta", *mapped}
    present = {name: value for name, value in given.items() if value is not None}
    if present.get("source") not in _SOURCES:  # a column of that name that means something else
        own -= {"source"}
    fields = {
        name: value for name, value in present.items() if name in own or name in wanted or name.startswith("meta.")
    }
    rest = {name: value for name, value in present.items() if name not in fields and name != "meta"}
    for field, names in _understood(asked).items():
        column = next((name for name in names if name in rest), None)
        if column is not None and field not in mapped and _has_place(field, rest[column], fields):
            fields[field] = rest.pop(column)
            account.columns[field] = column
    meta = present.get("meta")
    kept = {**(meta if isinstance(meta, Mapping) else {} if meta is None else {"meta": meta}), **rest}
    return {**fields, **({"meta": kept} if kept else {})}


def unread(fields: Mapping[str, Any], given: Mapping[str, Any], asked: Asked) -> str | None:
    """Why there is nothing to judge in a row's fields, with the columns that are there; None where there is."""
    reads = asked.criterion.reads
    judged = ("messages", *reads)
    if any(fields.get(name) for name in judged) or any(name in asked.mapping.columns for name in judged):
        return None
    columns = ", ".join(sorted(map(str, given))[:12]) or "none"
    return f"no column for {', '.join(reads)}; columns here: {columns}; name one with --field {reads[0]}=COLUMN"


def _understood(asked: Asked) -> Mapping[str, tuple[str, ...]]:
    reads = [name for name in asked.criterion.reads if name in CONTENT_FIELDS and name != "turns"]
    if len(reads) != 1:
        return SYNONYMS
    return {**SYNONYMS, reads[0]: (*SYNONYMS.get(reads[0], ()), *ONLY_TEXT)}


def _has_place(field: str, value: Any, fields: Mapping[str, Any]) -> bool:
    if field == "messages":
        return isinstance(value, list) and not any(name in fields for name in _SPOKEN)
    return field not in fields and not (field in _SPOKEN and "messages" in fields)
