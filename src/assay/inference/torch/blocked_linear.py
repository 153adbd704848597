"""Weights laid out once in the blocks that the processor's bfloat16 product reads, instead of in every call.

oneDNN copies a plain weight into blocks each time it multiplies with it. That is 5 to 10 % of the time at 2,048 rows,
12 to 33 at 128, about half at 12 (measured: docs/LOG.md). The operators are PyTorch's own, those its compiler uses for
frozen weights; they have no public Python name.
"""

import torch
from torch import nn

from assay.inference.torch.gelu import gelu_pairs
from assay.inference.torch.layer_range import layers_of


class BlockedLinear(nn.Module):
    """y = x Wᵀ + b with W in oneDNN's blocks; W cannot be read back.

    Args:
        linear: in bfloat16; it is not kept.
        gelu: put out GELU(y).

    """

    def __init__(self, linear: nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        self._gelu = gelu
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self._blocks: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self._bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: (…, in) → (…, out)."""
        return self._product(x, "gelu" if self._gelu else "none")

    def plain(self, x: torch.Tensor) -> torch.Tensor:
        """Y before GELU, for whoever adds to it; then `ending`. Shapes: (…, in) → (…, out)."""
        return self._product(x, "none")

    def ending(self, y: torch.Tensor) -> torch.Tensor:
        """What comes after y. Shape kept."""
        return nn.functional.gelu(y) if self._gelu else y

    def _product(self, x: torch.Tensor, then: str) -> torch.Tensor:
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._blocks, self._bias, then, [], "none")
        return y


@torch.inference_mode()
def block_weights(model: nn.Module) -> int:
    """Put BlockedLinear for every linear layer inside the model's numbered layers, on a CPU in bfloat16; how many.

    What reads a layer's weight (merging an adapter) has to come before.
    """
    layers = layers_of(model)[1]
    found = {name: part for name, part in layers.named_modules() if type(part) is nn.Linear and _can_be_blocked(part)}
    before_gelu: set[nn.Linear] = set()
    for pair in list(gelu_pairs(layers)):
        if pair.up in found.values():
            before_gelu.add(pair.up)
            pair.holder.intermediate_act_fn = nn.Identity()
    for name, linear in found.items():
        parent, _, last = name.rpartition(".")
        setattr(layers.get_submodule(parent), last, BlockedLinear(linear, gelu=linear in before_gelu))
    return len(found)


def _can_be_blocked(linear: nn.Linear) -> bool:
    on_cpu = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.bfloat16
    return on_cpu and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
