"""LoRA adapters through PEFT, in its standard folder (adapter_config.json, adapter_model.safetensors)."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model

from assay.models.backbone import Backbone

ADAPTER_FOLDER = "adapter"
DEFAULT_RANK = 16


def add_lora(model: torch.nn.Module, backbone: Backbone, rank: int = DEFAULT_RANK, dropout: float = 0.0) -> PeftModel:
    """Put trainable adapters on every linear layer of the backbone; everything else is frozen."""
    task = TaskType.FEATURE_EXTRACTION if backbone.family == "encoder" else TaskType.CAUSAL_LM
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear", task_type=task, bias="none"
    )
    with _quiet():
        adapted: PeftModel = get_peft_model(model, config)
    return adapted


def save_lora(model: PeftModel, folder: Path, backbone: Backbone) -> None:
    """Write the adapter folder; the base model is named as the user named it."""
    config: Any = model.peft_config["default"]
    config.base_model_name_or_path = backbone.ref.name
    config.target_modules = sorted(config.target_modules)  # PEFT writes a set: another order in every process
    model.save_pretrained(str(folder / ADAPTER_FOLDER), safe_serialization=True, save_embedding_layers=False)
    (folder / ADAPTER_FOLDER / "README.md").unlink(missing_ok=True)  # PEFT's empty model card


def load_lora(model: torch.nn.Module, folder: Path) -> Any:
    """The backbone with an adapter merged into its weights, for judging."""
    with _quiet():
        adapted = PeftModel.from_pretrained(model, str(folder / ADAPTER_FOLDER), use_safetensors=True)
        return adapted.merge_and_unload()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PEFT still reads an attribute that transformers warns about; users can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield
