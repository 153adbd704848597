"""`verdict.v2`: for decoders, as `verdict.v1`, for several judges on one text and for sessions that grow.

* The last segment is the judge's own ending, one piece, never cut. Under `content-first` it holds the whole question,
  so that all before it is the same for every judge that reads the same fields, and activated LoRA begins with it.
* Nothing stands between the content and that ending: the rendering of a session without its ending is the beginning of
  the rendering of the same session with one more turn, as long as only `turns` are read and nothing is cut.
* Where tokens such as letters stand for the labels, it says which for what.
* Lines of content that read like one of our headings are quoted (`quoting`).

Under `instruction-first` the worded guidance stands with the question, before the content.
"""

from collections.abc import Mapping, Sequence

from assay.rendering.quoting import HEADINGS, quoted
from assay.rendering.segments import Segment, content, template
from assay.schema.criterion import Criterion, Field
from assay.schema.example import Example, field_text
from assay.schema.judge_version import Layout
from assay.schema.trace import text_of


def render(
    example: Example, criterion: Criterion, layout: Layout, label_texts: Mapping[str, str]
) -> tuple[Segment, ...]:
    """Segments of one example, ending in `Verdict:`."""
    body: list[Segment] = []
    for field in criterion.reads:
        pieces = _turns(example) if field == "turns" else _text(example, field)
        if pieces:
            body += [template(f"{_gap(body)}{HEADINGS[field]}:\n"), *pieces]
    question = f"Question: {criterion.question}\n"
    answers = f"Answer with one of: {', '.join(_answers(criterion.labels, label_texts))}.\n"
    if layout == "content-first":
        return (*body, template(f"{_gap(body)}{question}{answers}Verdict:"))
    guidance = "".join(
        f"{level.label}: {level.guidance.strip()}\n" for level in criterion.scale.levels if level.guidance
    )
    return (template(f"{question}{guidance}{answers}\n"), *body, template(f"{_gap(body)}Verdict:"))


def _gap(before: Sequence[Segment]) -> str:
    return "\n\n" if before else ""


def _answers(labels: Sequence[str], label_texts: Mapping[str, str]) -> list[str]:
    return [f"{label_texts[label]} = {label}" if label in label_texts else label for label in labels]


def _turns(example: Example) -> list[Segment]:
    segments: list[Segment] = []
    for turn in example.turns:
        gap = "\n" if segments else ""
        segments += [template(f"{gap}{turn.role}:\n", "turns"), content(quoted(text_of(turn.content)), "turns")]
    return segments


def _text(example: Example, field: Field) -> list[Segment]:
    text = field_text(getattr(example, field))
    return [content(quoted(text), field)] if text else []
