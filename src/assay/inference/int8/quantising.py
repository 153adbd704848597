"""Putting 8-bit linear layers into an encoder, in place."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from assay.inference.int8.linear import Int8Linear, JointLinear, OneProduct
from assay.inference.int8.ranges import RANGES_FILE, ActivationRange
from assay.inference.torch.gelu import gelu_pairs
from assay.schema.errors import IntegrityError, shown


def quantise_layers(
    layers: nn.Module, weights: Mapping[str, nn.Linear], ranges: Mapping[str, ActivationRange], dtype: torch.dtype
) -> list[OneProduct]:
    """Replace every linear layer inside `layers`; returns what computes several of them at once.

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
    names = {part: name for name, part in layers.named_modules() if isinstance(part, nn.Linear)}
    gelu_to: dict[str, ActivationRange] = {}
    for pair in list(gelu_pairs(layers)):
        gelu_to[names[pair.up]] = ranges[names[pair.down]]
        pair.holder.intermediate_act_fn = nn.Identity()
    readers: dict[int, list[str]] = {}
    for name, given in ranges.items():
        readers.setdefault(id(given), []).append(name)
    products: list[OneProduct] = []
    for together in readers.values():
        given = ranges[together[0]]
        if len(together) == 1:
            _put(layers, together[0], Int8Linear(weights[together[0]], given, dtype, gelu_to.get(together[0])))
            continue
        products.append(OneProduct(Int8Linear(_side_by_side([weights[name] for name in together]), given, dtype)))
        first = 0
        for name in together:
            stop = first + weights[name].out_features
            _put(layers, name, JointLinear(products[-1], slice(first, stop)))
            first = stop
    return products


def _side_by_side(linears: Sequence[nn.Linear]) -> nn.Linear:
    """One layer with the outputs of all."""
    made = nn.Linear(linears[0].in_features, sum(one.out_features for one in linears))
    made.weight = nn.Parameter(torch.cat([one.weight.detach() for one in linears]), requires_grad=False)
    made.bias = nn.Parameter(torch.cat([_bias_of(one) for one in linears]), requires_grad=False)
    return made


def _bias_of(linear: nn.Linear) -> torch.Tensor:
    bias: torch.Tensor | None = linear.bias
    return torch.zeros(linear.out_features) if bias is None else bias.detach()


def _put(layers: nn.Module, name: str, made: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(layers.get_submodule(parent), child, made)
