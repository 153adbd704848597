"""Shared by the tests of models: criteria, and the tokens of a tiny backbone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.models.backbone import Backbone, find_backbone
from assay.models.tokens import Tokens, label_token_ids
from assay.rendering.fitting import DEFAULT_TRUNCATE
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.judge_version import Rendering

READS = ("turns", "input", "output")


@pytest.fixture(scope="session")
def criterion() -> Criterion:
    scale = Scale(
        kind="binary", levels=(Level(label="yes", guidance="names a product"), Level(label="no")), positive="yes"
    )
    return Criterion(name="advice", version="1", question="Is it advice?", reads=READS, scale=scale)


@pytest.fixture(scope="session")
def backbone(tiny: Callable[..., Path]) -> Callable[..., Backbone]:
    return lambda kind, **config: find_backbone(str(tiny(kind, **config)))


@pytest.fixture(scope="session")
def tokens_of(backbone: Callable[..., Backbone], criterion: Criterion) -> Callable[..., tuple[Any, Tokens]]:
    """The tokenizer of a tiny backbone, and how a judge on it would read examples."""

    def make(kind: str, *, max_tokens: int = 256, layout: str = "content-first") -> tuple[Any, Tokens]:
        found = backbone(kind)
        tokenizer = found.load_tokenizer()
        decoder = found.family == "decoder"
        rendering = Rendering(
            template="verdict.v1" if decoder else "encoder.v1",
            layout=layout,
            reads=READS,
            max_tokens=max_tokens,
            truncate=tuple(field for field in DEFAULT_TRUNCATE if field in READS),
            label_tokens=label_token_ids(tokenizer, criterion.labels) if decoder else {},
        )
        return tokenizer, Tokens(tokenizer, found.family, criterion, rendering)

    return make
