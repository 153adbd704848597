"""Adapters read without PEFT: the same sums as PEFT's, and a refusal of all that is not such a sum."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from assay.models.adapter import CONFIG_FILE, TENSORS_FILE, layer_of, read_adapter
from assay.models.lora import ADAPTER_FOLDER, LoraShape, add_lora, save_lora
from assay.schema.errors import InputError, IntegrityError, UnsupportedJudgeError

KINDS = ["bert", "deberta", "modernbert", "llama", "qwen3", "gemma3", "phi3"]
IDS = torch.tensor([[5, 9, 33, 70, 12, 8]])


SHAPE = LoraShape(rank=4)


def saved(backbone, folder: Path, shape: LoraShape = SHAPE) -> Path:
    """An adapter's folder, as after a training that moved every tensor."""
    model = add_lora(backbone.load(), backbone, shape)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    save_lora(model, folder, backbone)
    return folder / ADAPTER_FOLDER


def output_of(model) -> torch.Tensor:
    with torch.no_grad():
        found = model.eval()(input_ids=IDS)
    return found.logits if "logits" in found else found.last_hidden_state


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", ["all", "top:1"])
def test_the_sum_is_pefts(backbone, tmp_path, kind, layers):
    found = backbone(kind)
    folder = saved(found, tmp_path, LoraShape(rank=4, layers=layers))
    adapter = read_adapter(folder)
    assert adapter.layers == ((0, 1) if layers == "all" else (1,))
    assert (adapter.rank, adapter.scaling, adapter.invocation_tokens) == (4, 2.0, ())
    theirs = output_of(PeftModel.from_pretrained(found.load(), folder))
    ours = found.load()
    with torch.no_grad():
        for module, (down, up) in adapter.tensors.items():
            ours.get_submodule(module).weight += adapter.scaling * up @ down
    assert torch.allclose(output_of(ours), theirs, atol=1e-5)
    assert not torch.allclose(output_of(found.load()), theirs, atol=1e-2)


def test_the_output_layer_stays_the_backbones(backbone, tmp_path):
    assert not any("lm_head" in module for module in read_adapter(saved(backbone("llama"), tmp_path)).tensors)


def test_an_activated_adapter_names_its_invocation(backbone, tmp_path):
    adapter = read_adapter(saved(backbone("llama"), tmp_path, LoraShape(invocation_tokens=(7, 8))))
    assert adapter.invocation_tokens == (7, 8)


def test_rank_stabilised_scaling(backbone, tmp_path):
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"], use_rslora=True, task_type="CAUSAL_LM")
    get_peft_model(backbone("llama").load(), config).save_pretrained(tmp_path)
    assert read_adapter(tmp_path).scaling == 4.0  # 8 / √4


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"target_modules": ["embed_tokens"]}, "a tensor .*embed_tokens"),
        ({"target_modules": ["lm_head"]}, "lm_head"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
        ({"lora_bias": True}, "lora_bias"),
    ],
)
def test_other_kinds_are_refused(backbone, tmp_path, options, named):
    config = LoraConfig(**{"r": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM", **options})
    get_peft_model(backbone("llama").load(), config).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedJudgeError, match=named):
        read_adapter(tmp_path)


def test_another_kind_of_adapter_is_refused(backbone, tmp_path):
    folder = saved(backbone("llama"), tmp_path)
    values = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**values, "peft_type": "IA3"}))
    with pytest.raises(UnsupportedJudgeError, match="IA3"):
        read_adapter(folder)


@pytest.mark.parametrize("harm", ["no config", "no tensors", "cut short", "half a pair", "another rank"])
def test_a_damaged_adapter_is_refused(backbone, tmp_path, harm):
    folder = saved(backbone("llama"), tmp_path)
    tensors = load_file(folder / TENSORS_FILE)
    if harm == "no config":
        (folder / CONFIG_FILE).unlink()
    elif harm == "no tensors":
        (folder / TENSORS_FILE).unlink()
    elif harm == "cut short":
        (folder / TENSORS_FILE).write_bytes((folder / TENSORS_FILE).read_bytes()[:500])
    elif harm == "half a pair":
        tensors.pop(next(name for name in tensors if "lora_A" in name))
        save_file(tensors, folder / TENSORS_FILE)
    else:
        save_file({name: tensor[:2].contiguous() for name, tensor in tensors.items()}, folder / TENSORS_FILE)
    with pytest.raises(IntegrityError, match="cannot be read"):
        read_adapter(folder)
    shutil.rmtree(folder)


def test_modules_outside_the_layers_have_no_number():
    assert layer_of("encoder.layer.3.attention.self.query") == 3
    assert layer_of("model.layers.1.mlp.experts.7.down_proj") == 1
    with pytest.raises(UnsupportedJudgeError, match="lm_head"):
        layer_of("lm_head")


@pytest.mark.parametrize(("layers", "message"), [("top:3", "top:1 to top:2"), ("top:0", "top:1 to top:2")])
def test_layers_that_are_not_there_are_refused(backbone, layers, message):
    with pytest.raises(InputError, match=message):
        add_lora(backbone("bert").load(), backbone("bert"), LoraShape(layers=layers))
