"""One pass through a model in up to two stages: the layers that no adapter changes, then the layers above a branch.

Below the branch a token is computed once for all judges; above it once for each adapter that it is read under. Plain
LoRA branches at layer 0 (only what the base model prefills is shared: nothing), top-k LoRA at layer L - k, a head at
the top.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from assay.inference.torch.adapters import AdapterBank, AdapterRows, adapting
from assay.inference.torch.attention import Packing, Part, running
from assay.inference.torch.layer_range import LayerRange, layers_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Computed:
    """What a stage gave: states (n, hidden), and each layer's keys and values (1, key heads, n, width) if asked for."""

    states: torch.Tensor
    keys_values: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)


class Stages:
    """Runs ranges of a model's layers on packed rows."""

    def __init__(self, body: nn.Module, bank: AdapterBank, device: torch.device) -> None:
        self._body = body
        self._bank = bank
        self._device = device
        self._ranges: dict[tuple[int, int], LayerRange] = {}
        self.layers = len(layers_of(body)[1])

    def compute(
        self,
        layers: tuple[int, int],
        tokens: torch.Tensor,  # (n,) ids, or (n, hidden) states where the range does not begin at 0
        positions: torch.Tensor,  # (n,)
        parts: Sequence[Part],
        adapters: Sequence[AdapterRows] = (),
        *,
        keep: bool = False,
    ) -> Computed:
        """States after the range; see LayerRange."""
        if layers not in self._ranges:
            self._ranges[layers] = LayerRange(self._body, *layers)
        packing = Packing(parts=parts, keep=keep)
        with running(packing), adapting(self._bank.batches(adapters)):
            states = self._ranges[layers](tokens.to(self._device), positions.to(self._device))
        return Computed(states=states, keys_values=packing.computed)
