"""Adapter: the tensors of a LoRA adapter as the engine multiplies them, read from PEFT's folder without PEFT.

    adapter = read_adapter(folder)
    down, up = adapter.tensors["model.layers.0.self_attn.q_proj"]
    y + adapter.scaling * (x @ down.T @ up.T)

Only plain LoRA on linear layers is read; whatever else PEFT can write is refused, because leaving it out would change
verdicts silently.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from assay.schema.errors import IntegrityError, UnsupportedJudgeError, shown

CONFIG_FILE = "adapter_config.json"
TENSORS_FILE = "adapter_model.safetensors"
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_LAYER = re.compile(r"(?:.*?\.)?[^.]+\.(\d+)\.")  # the first number of a module's name, as PEFT counts layers
# What changes the sum W + scaling · B A, and must therefore be unset.
_REFUSED = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "arrow_config",
    "velora_config",
    "monteclora_config",
    "kasa_config",
    "mica",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "lora_bias",
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "target_parameters",
)


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A LoRA adapter: y = W x + scaling · B (A x) on each named module.

    `tensors` maps a module's name in the base model to (A (rank, in), B (out, rank)), float32 as stored. `layers` are
    the numbers of the layers that it changes, ascending. `invocation_tokens` is empty unless it is activated LoRA.
    """

    rank: int
    scaling: float  # alpha / rank, or alpha / √rank (rank-stabilised)
    tensors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    layers: tuple[int, ...]
    invocation_tokens: tuple[int, ...]


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a PEFT folder (adapter_config.json, adapter_model.safetensors).

    Raises UnsupportedJudgeError for what is not plain or activated LoRA on linear layers, IntegrityError for files
    that are missing or cannot be read.
    """
    try:
        config: dict[str, Any] = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        stored = load_file(folder / TENSORS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged(f"{type(error).__name__}: {shown(str(error), 120)}") from None
    _check_plain(config)
    rank, alpha = int(config["r"]), float(config["lora_alpha"])
    tensors = _pairs(stored, rank)
    return Adapter(
        rank=rank,
        scaling=alpha / (math.sqrt(rank) if config.get("use_rslora") else rank),
        tensors=tensors,
        layers=tuple(sorted({layer_of(module) for module in tensors})),
        invocation_tokens=tuple(config.get("alora_invocation_tokens") or ()),
    )


def layer_of(module: str) -> int:
    """The number of the layer that a module belongs to. Raises UnsupportedJudgeError outside the layers.

    >>> layer_of("model.layers.11.self_attn.q_proj")
    11
    """
    found = _LAYER.match(f"{module}.")
    if found is None:
        raise _unsupported(f"the module {shown(module)}", "adapters inside the numbered layers only")
    return int(found[1])


def _check_plain(config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise _unsupported(f"peft_type {shown(config.get('peft_type'))}", "peft_type 'LORA'")
    set_ = [name for name in _REFUSED if config.get(name)]
    if config.get("bias", "none") != "none":
        set_.append("bias")
    if set_:
        raise _unsupported(f"{', '.join(set_)} set", "LoRA without them")


def _pairs(stored: Mapping[str, torch.Tensor], rank: int) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    sides: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in stored.items():
        found = _TENSOR.fullmatch(name)
        if found is None:
            raise _unsupported(f"a tensor {shown(name)}", "lora_A and lora_B of linear layers only")
        sides.setdefault(found["module"], {})[found["side"]] = tensor
    for module, pair in sides.items():
        whole = pair.keys() == {"A", "B"} and pair["A"].ndim == pair["B"].ndim == 2  # noqa: PLR2004 - matrices
        if not whole or pair["A"].shape[0] != rank or pair["B"].shape[1] != rank:
            shapes = {side: tuple(tensor.shape) for side, tensor in sorted(pair.items())}
            raise _damaged(f"{shown(module)} with {shapes} at rank {rank}")
    if not sides:
        raise _damaged("no tensors")
    return {module: (pair["A"], pair["B"]) for module, pair in sorted(sides.items())}


def _unsupported(got: str, required: str) -> UnsupportedJudgeError:
    return UnsupportedJudgeError(
        "The judge's adapter is of a kind that the engine does not run.",
        required=required,
        got=got,
        next_step="train it with `assay train --method lora` or `--method alora`",
    )


def _damaged(got: str) -> IntegrityError:
    return IntegrityError(
        "The judge's adapter cannot be read.", required=f"{CONFIG_FILE} and {TENSORS_FILE}, whole", got=got
    )
