"""Renderings: how the judge that is about to be trained will read an example. Decided once, before training."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from assay.models.backbone import Backbone
from assay.models.tokens import Tokens, label_texts, label_token_ids
from assay.rendering.fitting import DEFAULT_TRUNCATE
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.judge_version import Rendering
from assay.schema.trace import Turn
from assay.training.settings import TrainingSettings

ENCODER_TEMPLATE = "encoder.v1"
DECODER_TEMPLATE = "verdict.v2"


def rendering_for(
    criterion: Criterion, backbone: Backbone, settings: TrainingSettings, label_tokens: Mapping[str, str]
) -> Rendering:
    """The rendering of a new judge; `label_tokens` (label → text) decides where given. Raises InputError."""
    rendering = Rendering(
        template=ENCODER_TEMPLATE,
        layout=settings.layout,
        reads=criterion.reads,
        max_tokens=settings.max_tokens,
        truncate=tuple(name for name in DEFAULT_TRUNCATE if name in criterion.reads),
        label_tokens={},
    )
    if backbone.family == "encoder":
        return rendering
    tokenizer = backbone.load_tokenizer()
    tokens = label_token_ids(tokenizer, criterion.labels, label_tokens)
    rendering = dataclasses.replace(
        rendering, template=DECODER_TEMPLATE, label_tokens=tokens, label_texts=label_texts(tokenizer, tokens)
    )
    if settings.method != "alora":
        return rendering
    return dataclasses.replace(rendering, invocation_tokens=_invocation(tokenizer, criterion, rendering))


def _invocation(tokenizer: Any, criterion: Criterion, rendering: Rendering) -> tuple[int, ...]:
    """The whole ending of the judge's rows.

    As long as the ending itself, its last occurrence in a row can only be the ending, whatever the content spells: a
    search for it (PEFT) and the place of the last segment (the engine) agree always.
    """
    some_text: dict[str, Any] = {
        field: (Turn(role="user", content="…"),) if field == "turns" else "…" for field in criterion.reads
    }
    tokens = Tokens(tokenizer, "decoder", criterion, rendering)
    return tokens.ending(Example(id="any", **some_text))
