"""`render`: the one way from an example to the text that a model sees."""

from collections.abc import Mapping

from assay.rendering.segments import Segment
from assay.rendering.templates import template_named
from assay.schema.criterion import Criterion
from assay.schema.errors import InputError, shown
from assay.schema.example import Example
from assay.schema.judge_version import Layout


def render(
    example: Example,
    criterion: Criterion,
    template: str,
    layout: Layout,
    label_texts: Mapping[str, str] | None = None,
) -> tuple[Segment, ...]:
    """Segments of an example under a named template. Raises InputError when no read field has text, NotFoundError.

    `label_texts` (label → text) says what stands for the labels where it is not the labels themselves.
    """
    segments = template_named(template)(example, criterion, layout, label_texts or {})
    if not any(segment.text.strip() for segment in segments if segment.kind == "content"):
        raise InputError(
            f"Example {shown(example.id)} has no text to judge.",
            required=f"text in one of the fields {list(criterion.reads)} that criterion {criterion.key!r} reads",
        )
    return segments
