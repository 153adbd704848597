"""Fitting a rendered example into the window: which tokens of which segment stay.

Only content is cut (and the role of a turn with the turn), in the order that the judge version declares (`truncate`),
never the rest of the template, so the question and the place where the verdict is read always survive. Turns lose their
beginning (the latest turns stay), other fields their end. What was cut is counted on the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assay.rendering.segments import Segment
from assay.schema.criterion import Field
from assay.schema.errors import InputError

DEFAULT_TRUNCATE: tuple[Field, ...] = ("context", "reference", "turns", "input", "output_b", "output_a", "output")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """For each segment the half-open range of its tokens that stays, and how many were cut in all."""

    ranges: tuple[tuple[int, int], ...]
    truncated_tokens: int


def fit(
    segments: Sequence[Segment], lengths: Sequence[int], max_tokens: int, truncate: Sequence[Field] = DEFAULT_TRUNCATE
) -> Fitted:
    """Cut content until the tokens of all segments together are at most `max_tokens`.

    Args:
        segments: the rendered example.
        lengths: tokens of each segment.
        max_tokens: the window, less what the model adds (begin and end tokens).
        truncate: fields in the order in which they are cut; every read field stands in it.

    Raises:
        InputError: the template alone does not fit.

    Example:
        >>> from assay.rendering.segments import content, template
        >>> fit([content("…", "input"), template("?")], [10, 2], 8)
        Fitted(ranges=((0, 6), (0, 2)), truncated_tokens=4)

    """
    ranges = [(0, length) for length in lengths]
    excess = sum(lengths) - max_tokens
    if excess <= 0:
        return Fitted(ranges=tuple(ranges), truncated_tokens=0)
    cut = excess
    for field in truncate:
        places = [place for place, segment in enumerate(segments) if segment.field == field]
        for place in places if field == "turns" else reversed(places):
            if excess <= 0:
                break
            length = lengths[place]
            taken = min(excess, length)
            ranges[place] = (taken, length) if field == "turns" else (0, length - taken)
            excess -= taken
    if excess > 0:
        raise InputError(
            "The question does not fit into the judge's window.",
            required=f"a template of at most {max_tokens} tokens",
            got=f"{max_tokens + excess} tokens without any content",
            next_step="raise --max-tokens or shorten the criterion's guidance",
        )
    return Fitted(ranges=tuple(ranges), truncated_tokens=cut)
