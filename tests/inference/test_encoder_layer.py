"""Quickened layers give what the model's own give, adapters included; layers of another shape stay as they are."""

import copy

import pytest
import torch

from assay.inference.torch.adapters import AdapterBank, AdapterRows, adapt
from assay.inference.torch.attention import IMPLEMENTATION
from assay.inference.torch.encoder_layer import quicken
from assay.inference.torch.stages import Stages
from assay.inference.torch.text_batch import text_batches
from assay.models.adapter import Adapter
from assay.models.backbone import find_backbone

CPU = torch.device("cpu")
LENGTHS = (9, 30, 28)
RANK = 4


def loaded(folder, dtype=torch.float32):
    return find_backbone(str(folder)).load(dtype, attention=IMPLEMENTATION).eval()


def states_of(model, bank, first_position, adapters=()):
    tokens = torch.arange(sum(LENGTHS)) % 50 + 20
    positions = torch.cat([torch.arange(length) for length in LENGTHS]) + first_position
    stages = Stages(model, bank, CPU)
    parts = text_batches(LENGTHS)
    with torch.inference_mode():
        return stages.compute((0, stages.layers), tokens, positions, parts, adapters).states


def an_adapter(model):
    """Low-rank matrices for three modules of the last layer."""
    made = torch.Generator().manual_seed(3)
    last = len(model.encoder.layer) - 1
    names = ("attention.self.query", "attention.output.dense", "intermediate.dense")
    tensors = {}
    for name in names:
        linear = model.encoder.layer[last].get_submodule(name)
        down = torch.randn(RANK, linear.in_features, generator=made)
        tensors[f"encoder.layer.{last}.{name}"] = (down, torch.randn(linear.out_features, RANK, generator=made))
    return Adapter(tensors=tensors, rank=RANK, scaling=0.1, layers=(last,), invocation_tokens=())


@pytest.mark.parametrize(("kind", "first_position"), [("bert", 0), ("roberta", 2)])
def test_the_states_are_those_of_the_layers_own_forward(tiny, kind, first_position):
    model = loaded(tiny(kind))
    bank = AdapterBank(model.dtype, CPU)
    adapter = an_adapter(model)
    bank.add("one", adapter)
    rows = [AdapterRows(adapter="one", rows=slice(9, 39))]
    adapt(model, adapter, bank)
    own, own_adapted = states_of(model, bank, first_position), states_of(model, bank, first_position, rows)
    assert quicken(model) == len(model.encoder.layer)
    assert torch.allclose(states_of(model, bank, first_position), own, atol=1e-5)
    adapted = states_of(model, bank, first_position, rows)
    assert torch.allclose(adapted, own_adapted, atol=1e-5)
    assert not torch.allclose(adapted, own, atol=1e-2)


def test_an_adapter_that_comes_later_is_found(tiny):
    model = loaded(tiny("bert"))
    bank = AdapterBank(model.dtype, CPU)
    before = states_of(model, bank, 0)
    quicken(model)
    adapter = an_adapter(model)
    bank.add("one", adapter)
    adapt(model, adapter, bank)
    rows = [AdapterRows(adapter="one", rows=slice(0, sum(LENGTHS)))]
    assert not torch.allclose(states_of(model, bank, 0, rows), before, atol=1e-2)
    assert torch.allclose(states_of(model, bank, 0), before, atol=1e-5)


def test_a_layer_that_computes_something_else_keeps_its_forward(tiny):
    model = loaded(tiny("bert"))
    layers = model.encoder.layer
    layers[0].output.register_forward_hook(lambda _module, _inputs, output: output * 2)
    own = states_of(model, AdapterBank(model.dtype, CPU), 0)
    assert quicken(model) == len(layers) - 1
    assert torch.allclose(states_of(model, AdapterBank(model.dtype, CPU), 0), own, atol=1e-5)


def test_decoders_have_no_such_layers(tiny):
    model = loaded(tiny("llama"))
    before = copy.deepcopy([layer.forward for layer in model.model.layers])
    assert quicken(model) == 0
    assert [layer.forward.__func__ for layer in model.model.layers] == [one.__func__ for one in before]
