"""What of a language model's answer is used: one text, or the reason why none is.

`rewritten_text(answer, task)` believes nothing: an answer that is not the JSON asked for, empty, overlong, unstorable
or the parent's own text is refused with a reason that stands with the derivative. Whether the text deserves the label
that it was made for, experts say.
"""

import json

from assay.datasets.augmentation.parents import Task
from assay.ingest.text import is_visible, normal_form, unstorable
from assay.schema.example import field_text

MOST_TIMES_LONGER = 3
MOST_CHARS_MORE = 400
_FENCE = "```"


class UnusableAnswerError(ValueError):
    """An answer without a usable text; its message is the reason."""


def rewritten_text(answer: str, task: Task) -> str:
    """The text of an answer. Raises UnusableAnswerError."""
    text = _text_in(answer)
    before = field_text(getattr(task.parent, str(task.field)))
    problem = unstorable(text, "text")
    if problem is not None:
        raise UnusableAnswerError(f"the text cannot be stored ({problem})")
    if not is_visible(text):
        raise UnusableAnswerError("the text is empty: the model declined")
    if normal_form(text) == normal_form(before):
        raise UnusableAnswerError("the text is its parent's")
    if len(text) > MOST_TIMES_LONGER * len(before) + MOST_CHARS_MORE:
        raise UnusableAnswerError(f"the text is too long ({len(text):,} characters for {len(before):,})")
    return text


def _text_in(answer: str) -> str:
    """The value of "text" in the one JSON object that an answer is, perhaps within a code fence."""
    said = answer.strip()
    if said.startswith(_FENCE) and said.endswith(_FENCE):
        said = said.strip("`").removeprefix("json")
    try:
        values = json.loads(said)
    except ValueError:
        raise UnusableAnswerError("the answer is no JSON") from None
    text = values.get("text") if isinstance(values, dict) else None
    if not isinstance(text, str):
        raise UnusableAnswerError('the answer has no "text"')
    return text.strip()
