"""Models under judges: the same numbers as plain transformers, and the same again after a round through a folder."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM

from assay.inference.runner import Work
from assay.inference.torch.layer_range import layers_of
from assay.inference.torch.padding import padded
from assay.inference.torch.runner import TorchRunner
from assay.models.backbone import find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.lora import LoraShape
from assay.models.small_judge_model import new_model, save_parts
from assay.models.tokens import label_token_ids
from assay.schema.errors import InputError, IntegrityError, NotFoundError
from assay.testing import tiny_backbone

ROWS = [[5, 9, 33, 70, 12, 8], [40, 41], [7], [100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111]]
LONG = [[(11 * place) % 150 + 6 for place in range(40)], [50, 60, 70]]  # over Gemma's sliding window of 16
DECODERS = [("llama", {}), ("llama", {"tie_word_embeddings": True}), ("qwen3", {}), ("gemma2", {})]
ENCODERS = ["bert", "roberta", "deberta"]


def batch(rows=ROWS):
    return padded(rows, 0)


@pytest.fixture
def decoder(backbone) -> Callable:
    """A decoder's backbone, its label token ids and a new model on it."""

    def make(kind="llama", method="lora", **config):
        found = backbone(kind, **config)
        ids = tuple(label_token_ids(found.load_tokenizer(), ("yes", "no")).values())
        return found, ids, new_model(found, method, 2, ids).eval()

    return make


def disturb(model: torch.nn.Module, seed: int = 1) -> None:
    """As if it had been trained: every trained tensor moves."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            if tensor.requires_grad:
                tensor.add_(0.05 * torch.randn(tensor.shape, generator=generator))


@torch.no_grad()
def logits_of(model, rows=ROWS) -> torch.Tensor:
    return model(*batch(rows))


@pytest.mark.parametrize(("kind", "config"), DECODERS)
@pytest.mark.parametrize("rows", [ROWS, LONG])
@torch.no_grad()
def test_label_logits_are_those_of_plain_transformers(tiny, decoder, kind, config, rows):
    _, ids, model = decoder(kind, **config)
    plain = AutoModelForCausalLM.from_pretrained(tiny(kind, **config), dtype=torch.float32).eval()
    ours = logits_of(model, rows)
    for place, row in enumerate(rows):  # alone and unpadded
        theirs = plain(torch.tensor([row])).logits[0, -1, list(ids)]
        assert torch.allclose(ours[place], theirs, atol=1e-5)


def test_the_tiny_gemma_really_caps(decoder):
    """Or the test above would say nothing of the soft cap."""
    found, _, model = decoder("gemma2")
    capped = logits_of(model)
    model.body.get_base_model().config.final_logit_softcapping = None
    assert (logits_of(model) - capped).abs().max() > 0.1
    assert capped.abs().max() <= found.config.final_logit_softcapping == 2.0


def test_an_architecture_that_scales_its_logits_is_refused(backbone):
    found = backbone("granite")
    with pytest.raises(InputError, match=r"verdict of a GraniteForCausalLM cannot be read.*another backbone"):
        new_model(found, "lora", 2, (5, 6))
    unscaled = backbone("granite", logits_scaling=1.0)
    assert logits_of(new_model(unscaled, "lora", 2, (5, 6))).shape == (4, 2)


@torch.no_grad()
def test_an_encoders_logits_are_the_mean_state_through_the_head(tiny, backbone):
    model = new_model(backbone("bert"), "head", 3).eval()
    plain = AutoModel.from_pretrained(tiny("bert")).eval()
    ours = logits_of(model)
    for place, row in enumerate(ROWS):
        mean = plain(torch.tensor([row])).last_hidden_state[0].mean(dim=0)
        theirs = model.head.classifier.weight @ mean + model.head.classifier.bias
        assert torch.allclose(ours[place], theirs, atol=1e-5)


def trained_parts(model) -> set[str]:
    return {name for name, tensor in model.named_parameters() if tensor.requires_grad}


def test_what_each_method_trains(backbone, decoder):
    assert trained_parts(new_model(backbone("bert"), "head", 2)) == {"head.classifier.weight", "head.classifier.bias"}
    lora = trained_parts(new_model(backbone("bert"), "lora", 2))
    assert {name for name in lora if "lora_" not in name} == {"head.classifier.weight", "head.classifier.bias"}
    assert len(lora) == 2 + 2 * 2 * 6  # A and B, two layers of six linear maps
    full = new_model(backbone("bert"), "full", 2)
    frozen = {name for name, _ in full.named_parameters()} - trained_parts(full)
    assert frozen == {"body.embeddings.word_embeddings.weight"}
    assert all("lora_" in name for name in trained_parts(decoder("llama")[2]))
    assert not any("lm_head" in name for name in trained_parts(decoder("llama")[2]))


@pytest.fixture
def round_trip(make_version, tmp_path) -> Callable:
    """Save a model's parts as a judge; `served` has the engine load it again."""

    def make(backbone, method, model, ids=(), dtype="float32"):
        folder = tmp_path / "judge"
        folder.mkdir(exist_ok=True)
        save_parts(model, folder, backbone, method)
        version = make_version(folder)
        tokens = dict(zip(version.criterion.labels, ids, strict=True)) if ids else {}
        version = dataclasses.replace(
            version,
            family=backbone.family,
            method=method,
            backbone=backbone.ref,
            rendering=dataclasses.replace(version.rendering, label_tokens=tokens),
            dtype=dtype,
        )
        return version, folder

    return make


def served(version, folder) -> torch.Tensor:
    """The rows' scores, as the engine reads them from a judge's folder."""
    runner = TorchRunner(device=torch.device("cpu"), alone=True)
    runner.load(version, folder)()
    reads = runner.run([Work(judge=version.id, ids=tuple(row), reads="labels") for row in ROWS])
    return torch.tensor(np.stack([read.scores for read in reads])).float()


def scores_of(model) -> torch.Tensor:
    return torch.log_softmax(logits_of(model), dim=-1)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("method", ["head", "lora", "full"])
def test_an_encoder_survives_its_folder(backbone, round_trip, kind, method):
    found = backbone(kind)
    model = new_model(found, method, 2).eval()
    before = logits_of(model)
    disturb(model)
    expected = logits_of(model)
    assert not torch.allclose(before, expected, atol=1e-2)
    version, folder = round_trip(found, method, model)
    assert torch.allclose(served(version, folder), torch.log_softmax(expected, -1), atol=1e-5)
    top = {"head": set(), "lora": {"adapter"}, "full": {"backbone"}}[method]
    assert {path.name for path in folder.iterdir()} == {"head.safetensors", "tokenizer", *top}
    assert _kinds_of_files(folder) <= {".safetensors", ".json", ".jinja"}


@pytest.fixture
def three_judges(backbone, round_trip, tmp_path) -> Callable:
    """LoRA judges on one runner, of which none, one or all have copies of the layers that they change."""

    def make(kind, layers, copies):
        found = backbone(kind)
        each = [sum(part.nbytes for part in layer.parameters()) for layer in layers_of(found.load(torch.float32))[1]]
        copy_bytes = copies * sum(each if layers == "all" else each[-1:])
        runner = TorchRunner(device=torch.device("cpu"), copy_bytes=copy_bytes)
        expected, saved = {}, {}
        for seed in range(3):
            model = new_model(found, "lora", 2, lora=LoraShape(layers=layers)).eval()
            disturb(model, seed)
            version, folder = round_trip(found, "lora", model)
            saved[version.id] = (version, shutil.move(folder, tmp_path / str(seed)))
            runner.load(*saved[version.id])()
            expected[version.id] = scores_of(model)
        assert len(expected) == 3
        return runner, expected, saved

    return make


def passes_of(runner, works, token_budget=4096):
    """Each pass's work and what was read for it, until nothing is left."""
    left = list(works)
    while left:
        taken = [left[place] for place in runner.take(left, token_budget)]
        yield taken, runner.run(taken)
        left = [work for work in left if work not in taken]


def works_of(judges) -> list[Work]:
    return [Work(judge=judge, ids=tuple(row), reads="labels") for row in ROWS for judge in judges]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
@pytest.mark.parametrize(
    ("layers", "copies", "judges_a_pass"),
    [
        ("all", 0, [3]),
        ("all", 1, [1, 2]),
        ("all", 3, [1, 1, 1]),
        ("top:1", 0, [3]),
        ("top:1", 1, [3]),
        ("top:1", 3, [3]),
    ],
)
def test_layers_of_ones_own_give_the_scores_of_shared_ones(three_judges, kind, layers, copies, judges_a_pass):
    """Who has layers of their own from the first on is alone in a pass; above shared ones all go together."""
    runner, expected, saved = three_judges(kind, layers, copies)
    passes = list(passes_of(runner, works_of(expected)))
    assert [len(taken) for taken, _ in passes] == [len(ROWS) * judges for judges in judges_a_pass]
    for taken, reads in passes:
        for work, read in zip(taken, reads, strict=True):
            place = [tuple(row) for row in ROWS].index(work.ids)
            assert np.allclose(read.scores, expected[work.judge][place].numpy(), atol=1e-5)
    assert len(runner._copied) == copies
    if copies == 1:  # what goes makes room
        first, *_, last = saved
        runner.unload(first)
        runner.load(*saved[last])()
        assert list(runner._copied) == [last]


@pytest.mark.parametrize("copies", [0, 3])
def test_a_budget_counts_shared_layers_once(three_judges, copies):
    """Two layers, of which the lower one is shared: three judges on one text cost it (1 + 3) / 2 times."""
    runner, expected, _ = three_judges("bert", "top:1", copies)
    wanted = works_of(expected)[:6]  # two texts, of 6 and 2 tokens
    assert [len(taken) for taken, _ in passes_of(runner, wanted, token_budget=16)] == [6]
    assert [len(taken) for taken, _ in passes_of(runner, wanted, token_budget=15)] == [5, 1]
    assert [len(taken) for taken, _ in passes_of(runner, wanted, token_budget=12)] == [3, 3]


@pytest.mark.parametrize(("kind", "config"), DECODERS)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_decoder_survives_its_folder(decoder, round_trip, kind, config, method):
    found, ids, model = decoder(kind, method, **config)
    before = logits_of(model)
    disturb(model)
    expected = logits_of(model)
    assert not torch.allclose(before, expected, atol=1e-2)
    version, folder = round_trip(found, method, model, ids)
    assert torch.allclose(served(version, folder), torch.log_softmax(expected, -1), atol=1e-5)
    assert {path.name for path in folder.iterdir()} == {"tokenizer", {"lora": "adapter", "full": "backbone"}[method]}
    assert _kinds_of_files(folder) <= {".safetensors", ".json", ".jinja"}


def _kinds_of_files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["bert", "llama"])
@torch.no_grad()
def test_the_adapter_is_one_that_plain_peft_reads(tiny, backbone, decoder, round_trip, kind):
    if kind == "bert":
        found, ids, model = backbone(kind), (), new_model(backbone(kind), "lora", 2).eval()
        plain = AutoModel.from_pretrained(tiny(kind), add_pooling_layer=False)
    else:
        found, ids, model = decoder(kind)
        plain = AutoModelForCausalLM.from_pretrained(tiny(kind))
    disturb(model)
    _, folder = round_trip(found, "lora", model, ids)
    peft = PeftModel.from_pretrained(plain, str(folder / "adapter")).eval()
    expected = logits_of(model)
    for place, row in enumerate(ROWS):
        output = peft(input_ids=torch.tensor([row]), attention_mask=torch.ones(1, len(row)))
        if kind == "bert":
            head = MeanPoolHead.load(folder)
            theirs = head(output.last_hidden_state, torch.ones(1, len(row)))[0]
        else:
            theirs = output.logits[0, -1, list(ids)]
        assert torch.allclose(theirs, expected[place], atol=1e-5)


def test_the_adapters_configuration_has_one_order(backbone, round_trip):
    """PEFT writes a set of module names, which has another order in every process."""
    found = backbone("bert")
    _, folder = round_trip(found, "lora", new_model(found, "lora", 2))
    names = json.loads((folder / "adapter" / "adapter_config.json").read_text())["target_modules"]
    assert names == sorted(names)
    assert len(names) == 12  # two layers of six linear maps


def test_scores_in_bfloat16_stay_near(backbone, round_trip):
    found = backbone("bert")
    model = new_model(found, "lora", 2).eval()
    disturb(model)
    found_scores = served(*round_trip(found, "lora", model, dtype="bfloat16"))
    assert not torch.equal(found_scores, scores_of(model))
    assert torch.allclose(found_scores, scores_of(model), atol=0.1)


def test_a_judge_refuses_another_backbone(tmp_path, round_trip):
    folder = tiny_backbone("bert", tmp_path / "base")
    found = find_backbone(str(folder))
    version, judge = round_trip(found, "head", new_model(found, "head", 2))
    shutil.rmtree(folder)
    with pytest.raises(NotFoundError, match="no backbone folder"):
        served(version, judge)
    tiny_backbone("bert", folder, seed=9)
    with pytest.raises(IntegrityError, match="not the one that this judge was trained on"):
        served(version, judge)


def test_a_fully_trained_judge_needs_no_backbone(tmp_path, round_trip):
    folder = tiny_backbone("bert", tmp_path / "base")
    found = find_backbone(str(folder))
    model = new_model(found, "full", 2).eval()
    version, judge = round_trip(found, "full", model)
    shutil.rmtree(folder)
    assert torch.allclose(served(version, judge), scores_of(model), atol=1e-5)


def test_padding_does_not_reach_the_mean():
    head = MeanPoolHead(4, 2).eval()
    states = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    changed = states.clone()
    changed[0, 2] = 1e6
    assert torch.equal(head(states, mask), head(changed, mask))
    by_hand = head.classifier(states[0, :2].mean(dim=0))
    assert torch.allclose(head(states, mask)[0], by_hand, atol=1e-6)
