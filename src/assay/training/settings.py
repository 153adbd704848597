"""Training settings, with defaults by the size of the backbone.

`settings_for(backbone, method)` gives the defaults; every field can be overridden. What is here changes the weights, so
all of it enters the judge version.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.models.backbone import Backbone
from assay.models.lora import DEFAULT_RANK
from assay.schema.errors import InputError, shown
from assay.schema.judge_version import Layout, Method
from assay.schema.records import record_from

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
)


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
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    class_balance: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        _check("weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
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
    return settings


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
    )


def _rate_and_epochs(parameters: int, method: Method) -> tuple[float, int]:
    """Small models need larger steps and more passes; 1-8 B models are tuned with 1e-5 (full) to 5e-5 (LoRA)."""
    if method == "head":
        return 5e-3, 30
    lora = method == "lora"
    if parameters < SMALL_PARAMETERS:
        return (5e-4, 6) if lora else (1e-4, 5)
    if parameters < LARGE_PARAMETERS:
        return (2e-4 if lora else 3e-5), 5
    return (5e-5 if lora else 1e-5), 3
