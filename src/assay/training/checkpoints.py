"""Checkpoints of a running training: what is trained, as safetensors, beside the Trainer's own state.

They lie in a private run folder and let a killed training go on as if nothing had happened. A checkpoint that a kill
cut short is not used: the Trainer writes its state file last.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

_WEIGHTS = "trained.safetensors"
_STATE = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One finished epoch: its folder, the steps done, and whether early stopping ended the training there."""

    folder: Path
    step: int
    stopped: bool


def save_trained(model: nn.Module, folder: Path) -> None:
    """Write the tensors that training changes."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = {name: tensor.detach().cpu() for name, tensor in model.named_parameters() if tensor.requires_grad}
    save_file({name: tensor.clone().contiguous() for name, tensor in trained.items()}, folder / _WEIGHTS)


def load_trained(model: nn.Module, folder: Path) -> None:
    """Put a checkpoint's tensors back into the model."""
    own = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in load_file(folder / _WEIGHTS).items():
            own[name].copy_(tensor)


def last_checkpoint(run_folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint; those that were cut short are deleted. None when there is none."""
    found: dict[int, Path] = {}
    for folder in run_folder.glob("checkpoint-*"):
        if name := _NAME.fullmatch(folder.name):
            found[int(name[1])] = folder
    for step, folder in sorted(found.items(), reverse=True):
        state = _state_of(folder)
        if state is not None:
            return Checkpoint(folder=folder, step=step, stopped=_stopped(state))
        shutil.rmtree(folder)
    return None


def _state_of(folder: Path) -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state


def _stopped(state: dict[str, Any]) -> bool:
    control = state.get("stateful_callbacks", {}).get("TrainerControl", {})
    return bool(control.get("args", {}).get("should_training_stop"))
