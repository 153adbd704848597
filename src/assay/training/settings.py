"""Training settings, with defaults by the size of the backbone.

`settings_for(backbone, method)` gives the defaults; every field can be overridden. What is here changes the weights, so
all of it enters the judge version (a version from before a setting existed was trained with its default: `lora_layers`
all, no explanations, hard targets).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from assay.models.backbone import Backbone
from assay.models.lora import DEFAULT_RANK
from assay.models.lora_layers import ALL_LAYERS, top_layers
from assay.schema.errors import InputError, shown
from assay.schema.judge_version import Layout, Method
from assay.schema.records import record_from

Targets: TypeAlias = Literal["hard", "soft"]
DEFAULT_METHOD: Method = "lora"  # on small label sets as good as `full` or better, see docs/LOG.md
SMALL_PARAMETERS = 100_000_000
LARGE_PARAMETERS = 1_000_000_000
_MAX_TOKENS = 256
_ABOVE_ZERO = (
    "learning_rate",
    "head_learning_rate",
    "epochs",
    "batch_size",
    "max_tokens",
    "patience",
    "lora_rank",
    "max_explanation_tokens",
)
_LORA: tuple[Method, ...] = ("lora", "alora")


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Everything that decides the weights, besides the data and the backbone."""

    method: Method
    learning_rate: float  # of the backbone or its adapters
    head_learning_rate: float  # of a classification head, which starts from nothing
    epochs: int
    batch_size: int
    max_tokens: int
    layout: Layout = "instruction-first"
    patience: int = 3  # epochs without a better dev loss before training stops
    lora_rank: int = DEFAULT_RANK
    lora_layers: str = ALL_LAYERS  # or top:k
    # Of the explanations' language-model loss, which is several times that of the labels at first: at 0.2 the labels
    # still lead. 0 leaves explanations out.
    explanation_weight: float = 0.2
    max_explanation_tokens: int = 128  # what is longer is learnt up to there
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    class_balance: bool = True
    targets: Targets = "hard"  # or soft: what a row's labellers said, not only what came out
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        _check("weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
        _check("explanation_weight", self.explanation_weight, self.explanation_weight >= 0, "0 or more")
        _check("warmup_share", self.warmup_share, 0 <= self.warmup_share <= 1, "a share between 0 and 1")


def _check(name: str, value: float, fine: bool, required: str) -> None:
    if not (fine and math.isfinite(value)):
        raise InputError(f"The training setting {name} is out of range.", required=required, got=shown(value))


def settings_for(backbone: Backbone, method: Method, overrides: Mapping[str, Any] | None = None) -> TrainingSettings:
    """Defaults for a backbone and a method, with overrides (None values are ignored). Raises InputError."""
    if backbone.family == "decoder" and method == "head":
        raise InputError(
            "A decoder reads its verdict from label tokens and has no head to train.",
            required="--method lora or --method full",
            got="--method head",
        )
    if backbone.family == "encoder" and method == "alora":
        raise InputError(
            "Activated LoRA shares what was computed before the question, and an encoder reads everything at once.",
            required="a decoder backbone, or --method lora, full or head",
            got=f"--method alora with {shown(backbone.ref.name)}",
            next_step="for many judges on one encoder: --method lora --lora-layers top:1",
        )
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values = {**dataclasses.asdict(_defaults(backbone, method)), **given, "method": method}
    settings = record_from(TrainingSettings, values, where="the training settings")
    if settings.max_tokens > backbone.window:
        raise InputError(
            "max_tokens is longer than the backbone's window.",
            required=f"at most {backbone.window}",
            got=str(settings.max_tokens),
            next_step=f"--max-tokens {backbone.window}, or a backbone with a longer window",
        )
    _check_lora(settings, backbone)
    return settings


def _check_lora(settings: TrainingSettings, backbone: Backbone) -> None:
    top_layers(settings.lora_layers, int(backbone.config.get_text_config().num_hidden_layers))
    if settings.lora_layers != ALL_LAYERS and settings.method not in _LORA:
        raise InputError(
            "Only LoRA can be put on some of the layers.",
            required=f"--lora-layers with --method {' or '.join(_LORA)}",
            got=f"--lora-layers {settings.lora_layers} with --method {settings.method}",
        )
    if settings.method == "alora" and settings.layout != "content-first":
        raise InputError(
            "Activated LoRA needs the content before the question: it shares what comes before.",
            required="--layout content-first",
            got=f"--layout {settings.layout}",
            next_step="leave --layout out, or --method lora",
        )


def _defaults(backbone: Backbone, method: Method) -> TrainingSettings:
    max_tokens = min(_MAX_TOKENS if backbone.family == "encoder" else 4 * _MAX_TOKENS, backbone.window)
    learning_rate, epochs = _rate_and_epochs(backbone.ref.parameters, method)
    return TrainingSettings(
        method=method,
        learning_rate=learning_rate,
        head_learning_rate=1e-3 if method != "head" else 5e-3,
        epochs=epochs,
        batch_size=16,
        max_tokens=max_tokens,
        layout="content-first" if method == "alora" else "instruction-first",
    )


def _rate_and_epochs(parameters: int, method: Method) -> tuple[float, int]:
    """Small models need larger steps and more passes; 1-8 B models are tuned with 1e-5 (full) to 5e-5 (LoRA)."""
    if method == "head":
        return 5e-3, 30
    lora = method in _LORA
    if parameters < SMALL_PARAMETERS:
        return (5e-4, 6) if lora else (1e-4, 5)
    if parameters < LARGE_PARAMETERS:
        return (2e-4 if lora else 3e-5), 5
    return (5e-5 if lora else 1e-5), 3
