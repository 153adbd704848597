"""`verdict.v1`: for decoders. Content and question in either order, then `Verdict:`, after which the label token is
read. Kept for the judges that were trained with it; new ones take `verdict.v2`.

`instruction-first` puts the question and its worded guidance before the content; `content-first` puts the content
first and only the short question after it, so that many judges can share the content's computation.
"""

from collections.abc import Mapping

from assay.rendering.segments import Segment, template
from assay.rendering.templates.encoder_v1 import field_segments, turn_segments
from assay.schema.criterion import Criterion, Field
from assay.schema.example import Example
from assay.schema.judge_version import Layout

_HEADINGS: dict[Field, str] = {
    "context": "Context",
    "reference": "Reference answer",
    "turns": "Earlier turns",
    "input": "Input",
    "output": "Output",
    "output_a": "Output A",
    "output_b": "Output B",
}


def render(
    example: Example, criterion: Criterion, layout: Layout, label_texts: Mapping[str, str]
) -> tuple[Segment, ...]:
    """Segments of one example, ending in `Verdict:`."""
    del label_texts
    body: list[Segment] = []
    for field in criterion.reads:
        pieces = turn_segments(example, "\n") if field == "turns" else field_segments(example, field)
        if pieces:
            body += [template(f"{_HEADINGS[field]}:\n"), *pieces, template("\n\n")]
    question = f"Question: {criterion.question}\n"
    labels = f"Answer with one of: {', '.join(criterion.labels)}.\n"
    ending = template("Verdict:")
    if layout == "content-first":
        return (*body, template(question + labels), ending)
    guidance = "".join(
        f"{level.label}: {level.guidance.strip()}\n" for level in criterion.scale.levels if level.guidance
    )
    return (template(f"{question}{guidance}{labels}\n"), *body, ending)
