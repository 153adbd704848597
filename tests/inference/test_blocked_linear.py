"""Blocked weights give the plain layer's products, and only where they are faster."""

import pytest
import torch
from torch import nn

from assay.inference.torch.blocked_linear import BlockedLinear, block_weights
from assay.models.backbone import find_backbone

needs_bfloat16 = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="the processor has no bfloat16 products"
)


@needs_bfloat16
@pytest.mark.parametrize("shape", [(1, 40), (7, 40), (2, 3, 40), (300, 40)])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_the_products_are_those_of_the_plain_layer(shape, bias):
    torch.manual_seed(0)
    linear = nn.Linear(40, 24, bias=bias, dtype=torch.bfloat16)
    x = torch.randn(shape).bfloat16()
    got = BlockedLinear(linear)(x)
    wanted = nn.functional.linear(x.double(), linear.weight.double(), linear.bias.double() if bias else None)
    assert got.dtype == torch.bfloat16
    assert got.shape == (*shape[:-1], 24)
    assert torch.allclose(got.double(), wanted, rtol=2**-8, atol=2**-7)  # one rounding of the result


@needs_bfloat16
@torch.inference_mode()
def test_gelu_in_the_product_and_after_it(tiny):
    torch.manual_seed(0)
    linear = nn.Linear(40, 24, dtype=torch.bfloat16)
    x = torch.randn(5, 40).bfloat16()
    made = BlockedLinear(linear, gelu=True)
    wanted = nn.functional.gelu(nn.functional.linear(x.double(), linear.weight.double(), linear.bias.double()))
    assert torch.allclose(made(x).double(), wanted, rtol=2**-8, atol=2**-7)
    assert torch.allclose(made.ending(made.plain(x)).double(), wanted, rtol=2**-7, atol=2**-7)  # y is rounded, too
    model = find_backbone(str(tiny("bert"))).load(torch.bfloat16).eval()
    ids = torch.arange(5, 25)[None]
    before = model(input_ids=ids).last_hidden_state
    assert block_weights(model) == 6 * len(model.encoder.layer)  # q, k, v, o; up, down
    assert torch.allclose(model(input_ids=ids).last_hidden_state.float(), before.float(), atol=0.06)


@needs_bfloat16
@torch.inference_mode()
def test_every_linear_layer_inside_the_numbered_layers_and_no_other(tiny):
    model = find_backbone(str(tiny("llama"))).load(torch.bfloat16).eval()
    ids = torch.arange(5, 25)[None]
    before = model(input_ids=ids).logits
    output = model.get_output_embeddings()
    layers = len(model.model.layers)
    assert block_weights(model) == 7 * layers  # q, k, v, o; gate, up, down
    assert model.get_output_embeddings() is output
    assert type(output) is nn.Linear
    assert torch.allclose(model(input_ids=ids).logits.float(), before.float(), atol=0.02)
    assert block_weights(model) == 0


def test_float32_keeps_its_plain_layers(tiny):
    model = find_backbone(str(tiny("llama"))).load(torch.float32)
    assert block_weights(model) == 0
