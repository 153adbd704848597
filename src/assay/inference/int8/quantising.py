"""Putting 8-bit linear layers into an encoder, in place."""

from collections.abc import Mapping

import torch
from torch import nn

from assay.inference.int8.linear import InputQuantiser, Int8Linear
from assay.inference.int8.ranges import RANGES_FILE, ActivationRange
from assay.inference.torch.gelu import gelu_pairs
from assay.schema.errors import IntegrityError, shown


def quantise_layers(
    layers: nn.Module, weights: Mapping[str, nn.Linear], ranges: Mapping[str, ActivationRange], dtype: torch.dtype
) -> list[InputQuantiser]:
    """Replace every linear layer inside `layers`; returns the quantisers of their inputs.

    Args:
        layers: of the model that will run.
        weights: name inside `layers` → the linear layer in float32.
        ranges: the same names → the range of its input.
        dtype: of what stays in floating point.

    Raises:
        IntegrityError: the ranges were measured on another architecture.

    """
    if set(weights) != set(ranges):
        odd = sorted(set(weights) ^ set(ranges))
        raise IntegrityError(
            f"{RANGES_FILE} does not fit the judge's backbone.",
            required="a range for each linear layer",
            got=f"{len(odd)} that differ, such as {shown(odd[0])}",
            next_step="quantise the parent again",
        )
    quantisers = {id(one): InputQuantiser(one) for one in ranges.values()}
    names = {part: name for name, part in layers.named_modules() if isinstance(part, nn.Linear)}
    gelu_to: dict[str, ActivationRange] = {}
    for pair in list(gelu_pairs(layers)):
        gelu_to[names[pair.up]] = ranges[names[pair.down]]
        pair.holder.intermediate_act_fn = nn.Identity()
    for name, given in ranges.items():
        made = Int8Linear(weights[name], given, quantisers[id(given)], dtype, gelu_to.get(name))
        parent, _, child = name.rpartition(".")
        setattr(layers.get_submodule(parent), child, made)
    return list(quantisers.values())
