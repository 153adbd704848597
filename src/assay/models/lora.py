"""LoRA adapters through PEFT, in its standard folder (adapter_config.json, adapter_model.safetensors).

Training puts them on with `add_lora`; `models.adapter` reads what came of it without PEFT. Activated LoRA (aLoRA,
arXiv 2504.12397) is live only from the position that a row names: what comes before is the base model's, for every
judge alike. PEFT looks for the invocation's last occurrence; `activated` gives it the position instead.
"""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora.variants import calculate_alora_offsets
from torch import nn

from assay.models.adapter import layer_of
from assay.models.backbone import Backbone
from assay.models.lora_layers import ALL_LAYERS, top_layers
from assay.schema.errors import InputError, IntegrityError, UnsupportedJudgeError

ADAPTER_FOLDER = "adapter"
DEFAULT_RANK = 16
_NAME = "default"


@dataclass(frozen=True, kw_only=True)
class LoraShape:
    """Which adapters are put on. Their scaling is 2; with `invocation_tokens` they are activated LoRA (decoders)."""

    rank: int = DEFAULT_RANK
    layers: str = ALL_LAYERS  # or top:k
    invocation_tokens: tuple[int, ...] = ()


def add_lora(model: nn.Module, backbone: Backbone, shape: LoraShape) -> PeftModel:
    """Put trainable adapters on the linear layers inside the backbone's layers; everything else is frozen.

    Raises InputError where there are none, or fewer than k layers.
    """
    task = TaskType.FEATURE_EXTRACTION if backbone.family == "encoder" else TaskType.CAUSAL_LM
    config = LoraConfig(
        r=shape.rank,
        lora_alpha=2 * shape.rank,
        target_modules=_linear_layers(model, shape.layers),
        task_type=task,
        bias="none",
        alora_invocation_tokens=list(shape.invocation_tokens) or None,
    )
    with _quiet():
        adapted: PeftModel = get_peft_model(model, config)
    return adapted


def _linear_layers(model: nn.Module, layers: str) -> list[str]:
    """Full names of the linear layers that an adapter changes.

    Names rather than PEFT's `layers_to_transform`, which "all-linear" overrides and which needs the name that each
    architecture gives to its list of layers.
    """
    output = getattr(model, "get_output_embeddings", lambda: None)()
    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear) and part is not output]
    numbers = {}
    for name in linear:
        with contextlib.suppress(UnsupportedJudgeError):  # outside the layers: poolers, projections of embeddings
            numbers[name] = layer_of(name)
    if not numbers:
        raise InputError(
            f"LoRA cannot be put on a {type(model).__name__}.",
            required="linear layers (torch.nn.Linear) inside numbered layers",
            got="none",
            next_step="--method full, or another backbone",
        )
    wanted = top_layers(layers, max(numbers.values()) + 1)
    return sorted(name for name, number in numbers.items() if number in wanted)


@contextlib.contextmanager
def activated(body: nn.Module, input_ids: torch.Tensor, adapter_from: torch.Tensor | None) -> Iterator[None]:
    """Within it, an activated LoRA is live from a position of each row on; other models are left as they are.

    Args:
        body: the model, with or without adapters.
        input_ids: (batch, tokens), right-padded.
        adapter_from: (batch,); None looks for the invocation, as PEFT does.

    Raises:
        IntegrityError: a row without the invocation, which PEFT would give to the base model.

    """
    if not isinstance(body, PeftModel) or not _is_activated(body):
        yield
        return
    tokens = input_ids.shape[1]
    if adapter_from is None:
        offsets: list[Any] = calculate_alora_offsets(cast(Any, body.peft_config), _NAME, input_ids)
    else:
        offsets = [tokens - position for position in adapter_from.tolist()]  # PEFT counts from the end
    if None in offsets:
        raise IntegrityError(
            "A row lacks the invocation of an activated LoRA adapter.", required="rows made by the judge's own template"
        )
    # what PeftModel.forward does; that one would compute the logits of the whole vocabulary at every position as well
    lora: Any = body.base_model
    with lora._enable_peft_forward_hooks(alora_offsets=offsets):
        yield


def _is_activated(adapted: PeftModel) -> bool:
    config: Any = adapted.peft_config[_NAME]
    return bool(config.alora_invocation_tokens)


def save_lora(model: PeftModel, folder: Path, backbone: Backbone) -> None:
    """Write the adapter folder; the base model is named as the user named it."""
    config: Any = model.peft_config[_NAME]
    config.base_model_name_or_path = backbone.ref.name
    config.target_modules = sorted(config.target_modules)  # PEFT writes a set: another order in every process
    model.save_pretrained(str(folder / ADAPTER_FOLDER), safe_serialization=True, save_embedding_layers=False)
    (folder / ADAPTER_FOLDER / "README.md").unlink(missing_ok=True)  # PEFT's empty model card


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PEFT still reads an attribute that transformers warns about; users can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
