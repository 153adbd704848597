"""Int8Linear: a linear layer that multiplies 8-bit integers, through PyTorch's oneDNN kernels.

    y = (q − 128) Ŵᵀ + b̂      q: the input in its ActivationRange;  Ŵ: the weights times the range's scale, 8 bits a row

Weights are quantised when the judge is loaded, from the parent's own, with one scale for each output: nothing but the
ranges is stored. It knows nothing of models; `quantising` puts it into them.
"""

from typing import Any

import torch
from torch import nn

from assay.inference.int8.ranges import ZERO_POINT, ActivationRange, integers_of, offset_of

_LARGEST = 127


class Int8Linear(nn.Module):
    """See the module.

    Args:
        linear: in float32; it is not kept.
        given: the range of its input.
        dtype: of its output.
        gelu_to: apply GELU and put out integers in this range, which has one scale for all channels.

    """

    def __init__(
        self,
        linear: nn.Linear,
        given: ActivationRange,
        dtype: torch.dtype,
        gelu_to: ActivationRange | None = None,
    ) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        integers, self._scales, bias = quantised_weight(weight, linear.bias, given)
        self._bias = bias
        self._steps = given.scale.reciprocal()
        self._offset = offset_of(given)
        self._outputs = weight.shape[0]
        self._packed = torch.ops.onednn.qlinear_prepack(integers, None)
        self._zeros = torch.zeros(self._outputs, dtype=torch.int64)
        self._ending = _ending(dtype, gelu_to)
        self.weight_bytes = integers.numel() + 4 * (self._scales.numel() + bias.numel()) + 8 * self._outputs

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Shapes: (…, inputs) → (…, outputs). What a fused product wrote as integers is taken as it is."""
        flat = states.reshape(-1, states.shape[-1])
        integers = flat if flat.dtype == torch.uint8 else integers_of(flat, self._steps, self._offset)
        product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            integers, 1.0, ZERO_POINT, self._packed, self._scales, self._zeros, self._bias, *self._ending
        )
        return product.view(*states.shape[:-1], self._outputs)


class OneProduct(nn.Module):
    """Linear layers that read the same input (query, key, value) as one; `JointLinear` is each one's part of it."""

    def __init__(self, linear: Int8Linear) -> None:
        super().__init__()
        self.linear = linear
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """All outputs side by side, computed once for one input. Shapes: (…, inputs) → (…, outputs of all)."""
        if self._last is None or self._last[0] is not states:
            self._last = (states, self.linear(states))
        return self._last[1]

    def forget(self) -> None:
        """Free the last input."""
        self._last = None


class JointLinear(nn.Module):
    """One layer's columns of a OneProduct."""

    def __init__(self, product: OneProduct, columns: slice) -> None:
        super().__init__()
        self.product = product
        self._columns = columns

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Shapes: (…, inputs) → (…, outputs)."""
        outputs: torch.Tensor = self.product(states)[..., self._columns]
        return outputs


def quantised_weight(
    weight: torch.Tensor,  # (outputs, inputs) float32
    bias: torch.Tensor | None,
    given: ActivationRange,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights as int8 (outputs, inputs), a scale for each output, and the bias in which the input's shift went.

    Rounding the weights moves the output by (W − Ŵ) times the input; its mean, known from the mean input, goes into
    the bias as well (bias correction, Nagel et al. 2019).
    """
    scaled = weight * given.scale
    scales = (scaled.abs().amax(dim=1) / _LARGEST).clamp(min=torch.finfo(torch.float32).tiny)
    integers = torch.round(scaled / scales[:, None]).clamp(-_LARGEST, _LARGEST)
    lost = scaled - integers * scales[:, None]
    moved = weight @ given.shift + lost @ ((given.mean - given.shift) / given.scale)
    if bias is not None:
        moved = moved + bias.detach().float()
    return integers.to(torch.int8), scales, moved


def _ending(dtype: torch.dtype, gelu_to: ActivationRange | None) -> tuple[Any, ...]:
    """The last arguments of the product: output scale and zero point, type, and what is applied to it."""
    if gelu_to is None:
        return (1.0, 0, dtype, "none", [], "none")
    step = float(gelu_to.scale[0])
    zero = ZERO_POINT - round(float(gelu_to.shift[0]) / step)
    return (step, zero, torch.uint8, "gelu", [], "none")
