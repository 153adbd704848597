"""`encoder.v1`: the read fields one after another, with a separator between them. The question is in the weights.

Turns are written as lines that begin with their role. Both layouts are alike: there is no instruction.
"""

from collections.abc import Mapping

from assay.rendering.segments import SEPARATOR, Segment, content, template
from assay.schema.criterion import Criterion, Field
from assay.schema.example import Example, field_text
from assay.schema.judge_version import Layout
from assay.schema.trace import text_of


def render(
    example: Example, criterion: Criterion, layout: Layout, label_texts: Mapping[str, str]
) -> tuple[Segment, ...]:
    """Segments of one example; absent fields leave no trace."""
    del layout, label_texts
    segments: list[Segment] = []
    for field in criterion.reads:
        pieces = turn_segments(example, "\n") if field == "turns" else field_segments(example, field)
        if pieces and segments:
            segments.append(SEPARATOR)
        segments.extend(pieces)
    return tuple(segments)


def turn_segments(example: Example, end: str) -> list[Segment]:
    """`user: …` for each earlier turn, oldest first."""
    segments: list[Segment] = []
    for turn in example.turns:
        role, text = template(f"{turn.role}: ", "turns"), content(text_of(turn.content), "turns")
        segments += [role, text, template(end, "turns")]
    return segments


def field_segments(example: Example, field: Field) -> list[Segment]:
    """One content segment, or none where the field is absent."""
    text = field_text(getattr(example, field))
    return [content(text, field)] if text else []
