"""Prompt: a rendered example as the two messages of a chat with a language model. Content is cut by characters.

`prompt_of(example, criterion, "llm.v1", max_chars=24_000)`. What is cut and in which order is as for small judges
(`fitting`): the instructions always stay.
"""

from dataclasses import dataclass

from assay.rendering.fitting import DEFAULT_TRUNCATE, fit
from assay.rendering.render import render
from assay.schema.criterion import Criterion
from assay.schema.example import Example

_CHARS_A_TOKEN = 4  # ordinary English; only the count of what was cut depends on it


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """`truncated_tokens` is about how many tokens of content were left out."""

    system: str
    user: str
    truncated_tokens: int


def prompt_of(example: Example, criterion: Criterion, template: str, max_chars: int) -> Prompt:
    """The messages for one example. Raises InputError (no text to judge, instructions that alone do not fit)."""
    system, *rest = render(example, criterion, template, "instruction-first")
    truncate = tuple(field for field in DEFAULT_TRUNCATE if field in criterion.reads)
    fitted = fit(rest, [len(segment.text) for segment in rest], max_chars, truncate)
    texts = (segment.text[start:end] for segment, (start, end) in zip(rest, fitted.ranges, strict=True))
    return Prompt(
        system=system.text,
        user="".join(texts),
        truncated_tokens=-(-fitted.truncated_tokens // _CHARS_A_TOKEN),
    )
