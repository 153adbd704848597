"""ExportRow: an example with its labels and what they amount to; and the same as plain JSON values.

Knows no format.
"""

from dataclasses import dataclass
from typing import Any

from assay.schema.example import CONTENT_FIELDS, Example
from assay.schema.label import Label


@dataclass(frozen=True, kw_only=True)
class ExportRow:
    """One example to be written. `target` is the consensus of its labels, None without one."""

    example: Example
    labels: tuple[Label, ...] = ()
    target: str | None = None


def provenance_of(example: Example) -> dict[str, Any]:
    """Group, source, weight and meta, where they are not the defaults of the import."""
    return {
        **({} if example.group is None else {"group": example.group}),
        **({} if example.source == "production" else {"source": example.source}),
        **({} if example.weight == 1.0 else {"weight": example.weight}),
        **({"meta": dict(example.meta)} if example.meta else {}),
    }


def label_values(label: Label) -> dict[str, Any]:
    """A label as an entry of a row's `labels`."""
    return {
        "value": label.value,
        "labeller": label.labeller,
        "source": label.source,
        **({} if label.created_at is None else {"date": label.created_at}),
        **({} if label.explanation is None else {"explanation": label.explanation}),
    }


def values_of(row: ExportRow) -> dict[str, Any]:
    """The row as the import reads it."""
    example = row.example
    labels = {"labels": [label_values(label) for label in row.labels]} if row.labels else {}
    return {"id": example.id, **example.content(), **provenance_of(example), **labels}


def is_text(example: Example) -> bool:
    """Whether all content is text; other tools have no place for our typed parts and images."""
    texts = [getattr(example, name) for name in CONTENT_FIELDS if name != "turns"]
    return all(value is None or isinstance(value, str) for value in (*texts, *(turn.content for turn in example.turns)))
