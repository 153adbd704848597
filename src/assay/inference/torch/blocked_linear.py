"""Weights laid out once in the blocks that the processor's bfloat16 product reads, instead of in every call.

oneDNN copies a plain weight into blocks each time it multiplies with it. That is a tenth of the time at 2,048 rows, a
fifth at 128, half at 12 (measured: docs/LOG.md). The operators are PyTorch's own, those its compiler uses for frozen
weights; they have no public Python name.
"""

import torch
from torch import nn

from assay.inference.torch.layer_range import layers_of


class BlockedLinear(nn.Module):
    """y = x Wᵀ + b with W in oneDNN's blocks; W cannot be read back."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        self._blocks: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: (…, in) → (…, out)."""
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._blocks, self._bias, "none", [], "")
        return y


@torch.inference_mode()
def block_weights(model: nn.Module) -> int:
    """Put BlockedLinear for every linear layer inside the model's numbered layers, on a CPU in bfloat16; how many.

    What reads a layer's weight (merging an adapter) has to come before.
    """
    replaced = 0
    for layer in layers_of(model)[1]:
        for name, module in list(layer.named_modules()):
            if type(module) is not nn.Linear or not _can_be_blocked(module):
                continue
            parent, _, last = name.rpartition(".")
            setattr(layer.get_submodule(parent), last, BlockedLinear(module))
            replaced += 1
    return replaced


def _can_be_blocked(linear: nn.Linear) -> bool:
    on_cpu = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.bfloat16
    return on_cpu and torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
