"""Pairs of linear layers with GELU between them, as BERT, RoBERTa and ELECTRA have in every layer.

The first product of a pair can apply GELU by itself (and end in 8-bit integers), so that the widest states of a layer
are written once. Other feed-forward blocks (gated ones, other activations) are left as they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_PROBE = torch.linspace(-6, 6, 97)


@dataclass(frozen=True, kw_only=True, eq=False)
class GeluPair:
    """`up` → GELU → `down`; `holder` has the activation as `intermediate_act_fn`."""

    holder: Any
    up: nn.Linear
    down: nn.Linear


def gelu_pairs(layers: nn.Module) -> Iterator[GeluPair]:
    """Those found in a model, noticed by what the activation computes and not by its name."""
    for part in layers.modules():
        holder: Any = getattr(part, "intermediate", None)
        up, activation = getattr(holder, "dense", None), getattr(holder, "intermediate_act_fn", None)
        down = getattr(getattr(part, "output", None), "dense", None)
        if isinstance(up, nn.Linear) and isinstance(down, nn.Linear) and _is_gelu(activation):
            yield GeluPair(holder=holder, up=up, down=down)


def _is_gelu(activation: Any) -> bool:
    return callable(activation) and torch.allclose(activation(_PROBE), nn.functional.gelu(_PROBE), atol=1e-6)
