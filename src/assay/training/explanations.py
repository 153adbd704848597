"""Explanations: what labellers wrote beside their labels, as tokens that a decoder learns to say after its verdict.

A row's explanation is one of a label that agrees with the row's target, by the most trusted source. It follows the
label's token on a line of its own and ends with the backbone's end token. The verdict is read before any of it, so that
the probability is the same with and without.
"""

from collections.abc import Sequence
from typing import Any

from assay.models.backbone import Backbone
from assay.models.tokens import TokenRow, Tokens
from assay.schema.dataset import FrozenRow
from assay.schema.errors import InputError
from assay.schema.judge_version import Rendering
from assay.schema.label import LABEL_SOURCES
from assay.training.batches import Continuation


def explanation_of(row: FrozenRow) -> str | None:
    """The explanation to learn for a row, or None; of equals the first labeller's by name."""
    fitting = [label for label in row.labels if label.value == row.target.value and (label.explanation or "").strip()]
    if not fitting:
        return None
    return min(fitting, key=lambda label: (LABEL_SOURCES.index(label.source), label.labeller)).explanation


class Explaining:
    """Makes the continuations of rows.

    Args:
        tokens: the judge's.
        rendering: its label tokens.
        end_token: ends an explanation.
        max_tokens: of an explanation; a longer one is learnt up to there, and without the end token.
        window: of the backbone, for row, label token and explanation together.

    """

    def __init__(self, tokens: Tokens, rendering: Rendering, *, end_token: int, max_tokens: int, window: int) -> None:
        self._tokens = tokens
        self._label_tokens = rendering.label_tokens
        self._end_token = end_token
        self._max_tokens = max_tokens
        self._window = window

    def continuations(self, rows: Sequence[FrozenRow], token_rows: Sequence[TokenRow]) -> list[Continuation | None]:
        """One a row; None where it has no explanation, or no room for any of it."""
        return [self._continuation(row, len(tokens.ids)) for row, tokens in zip(rows, token_rows, strict=True)]

    def _continuation(self, row: FrozenRow, length: int) -> Continuation | None:
        text = explanation_of(row)
        room = min(self._max_tokens, self._window - length - 1)
        if text is None or room <= 0:
            return None
        said = (*self._tokens.explanation(text), self._end_token)
        return Continuation(label_token=self._label_tokens[row.target.value], said=said[:room])


def end_token_of(backbone: Backbone, tokenizer: Any) -> int:
    """The token at which the engine stops decoding. Raises InputError where the backbone declares none."""
    declared = backbone.config.get_text_config().eos_token_id
    ids: list[int] = declared if isinstance(declared, list) else [] if declared is None else [declared]
    if not ids:
        raise InputError(
            "Explanations need an end, and the backbone declares no end token.",
            required="eos_token_id in its config.json",
            next_step="--explanation-weight 0 trains without explanations",
        )
    return tokenizer.eos_token_id if tokenizer.eos_token_id in ids else ids[0]
