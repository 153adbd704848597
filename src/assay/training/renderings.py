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
    """The rendering of a new judge; `label_tokens` (label → text) decides where given.

    Raises InputError for label tokens that cannot be, and where the template alone does not fit into the window.
    """
    decoder = backbone.family == "decoder"
    tokenizer = backbone.load_tokenizer()
    tokens = label_token_ids(tokenizer, criterion.labels, label_tokens) if decoder else {}
    rendering = Rendering(
        template=DECODER_TEMPLATE if decoder else ENCODER_TEMPLATE,
        layout=settings.layout,
        reads=criterion.reads,
        max_tokens=settings.max_tokens,
        truncate=tuple(name for name in DEFAULT_TRUNCATE if name in criterion.reads),
        label_tokens=tokens,
        label_texts=label_texts(tokenizer, tokens),
    )
    reader, example = Tokens(tokenizer, backbone.family, criterion, rendering), _stand_in(criterion)
    reader.rows([example])  # refuses what does not fit
    if settings.method != "alora":
        return rendering
    # The whole ending: as long as that, its last occurrence in a row can only be the ending, whatever the content
    # spells, so that a search for it (PEFT) and the place of the last segment (the engine) always agree.
    return dataclasses.replace(rendering, invocation_tokens=reader.ending(example))


def _stand_in(criterion: Criterion) -> Example:
    """An example with some text in every field that is read: template and ending are the same for all."""
    text: dict[str, Any] = {
        field: (Turn(role="user", content="…"),) if field == "turns" else "…" for field in criterion.reads
    }
    return Example(id="any", **text)
