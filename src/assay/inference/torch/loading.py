"""Reading judges from disk for the torch backend: the base model once, and of each judge what is its own."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from assay.inference.torch.layer_range import layers_of
from assay.models.adapter import Adapter, read_adapter
from assay.models.backbone import Backbone, backbone_of, find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.lora import ADAPTER_FOLDER
from assay.models.small_judge_model import BACKBONE_FOLDER
from assay.schema.judge_version import NO_PLACES, JudgeVersion, Places


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedJudge:
    """What one judge adds to the base model."""

    judge: str
    adapter: Adapter | None  # None where the base model's weights are the judge's own
    head: MeanPoolHead | None  # encoders
    label_token_ids: tuple[int, ...]  # decoders

    def merged(self) -> "LoadedJudge":
        """The same judge, once its adapter is in the weights."""
        return replace(self, adapter=None)


def find_body(version: JudgeVersion, folder: Path, places: Places = NO_PLACES) -> Backbone:
    """The backbone that a judge runs on: the shared one, or its own weights (method `full`).

    Raises NotFoundError, IntegrityError.
    """
    if version.method == "full":
        return find_backbone(str(folder / BACKBONE_FOLDER))
    return backbone_of(version.backbone, places)


def load_judge(version: JudgeVersion, folder: Path) -> LoadedJudge:
    """A judge's own parts. Raises UnsupportedJudgeError, IntegrityError."""
    lora = version.method in ("lora", "alora")
    labels = version.rendering.label_tokens
    return LoadedJudge(
        judge=version.id,
        adapter=read_adapter(folder / ADAPTER_FOLDER) if lora else None,
        head=MeanPoolHead.load(folder) if version.family == "encoder" else None,
        label_token_ids=tuple(labels[label] for label in version.criterion.labels) if labels else (),
    )


@torch.no_grad()
def merge(model: nn.Module, adapter: Adapter) -> None:
    """W += scaling · B A for every module of an adapter, in the model's number format.

    Do it in float32: a bfloat16 sum would lose most of a small update.
    """
    for name, (down, up) in adapter.tensors.items():
        weight = model.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)  # noqa: S101 - adapters are on linear layers
        weight += (adapter.scaling * (up.float() @ down.float())).to(weight)


@torch.no_grad()
def round_parameters(model: nn.Module, dtype: torch.dtype) -> None:
    """Parameters to a number format; buffers stay: rotary frequencies in bfloat16 would turn far positions wrongly."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def share_outside_layers(model: nn.Module, other: nn.Module) -> None:
    """Let `model` use the parameters of `other`, a model of the same weights, outside the numbered layers."""
    layers = layers_of(model)[0]
    for name, module in model.named_modules():
        if name != layers and not name.startswith(f"{layers}."):
            module._parameters.update(other.get_submodule(name)._parameters)


def drop_layers_below(model: nn.Module, first: int) -> None:
    """Free the numbered layers before `first`; a LayerRange from there on still runs."""
    layers = layers_of(model)[1]
    for place in range(first):
        layers[place] = nn.Identity()


def end_tokens(model: Any) -> frozenset[int]:
    """Tokens that end an explanation."""
    found = [model.config.get_text_config().eos_token_id, getattr(model.generation_config, "eos_token_id", None)]
    return frozenset(token for ids in found if ids is not None for token in (ids if isinstance(ids, list) else [ids]))
