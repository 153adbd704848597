"""Segments: a rendered example, piece by piece, each piece marked as ours or as content under judgement.

Ours (template text, separators) may hold special tokens; content never becomes one. The model side turns each segment
into token ids by its kind, then `fitting.fit` decides what stays in the window.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from assay.schema.criterion import Field

SegmentKind: TypeAlias = Literal["template", "separator", "content"]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One piece of a rendered example.

    `field` names the example's field that a segment shows, or belongs to as the role of a turn does; None for the
    other pieces of the template, which are never cut. A separator carries no text: the model side puts its
    tokenizer's own separator there.
    """

    kind: SegmentKind
    text: str = ""
    field: Field | None = None


def template(text: str, field: Field | None = None) -> Segment:
    """Text of ours; with a field, a piece that goes when that field's content is cut (the role of a turn)."""
    return Segment(kind="template", text=text, field=field)


def content(text: str, field: Field) -> Segment:
    """Text under judgement."""
    return Segment(kind="content", text=text, field=field)


SEPARATOR = Segment(kind="separator")
