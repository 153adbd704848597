"""The int8 backend against float32: exact arithmetic by hand, then whole judges within a stated tolerance."""

import dataclasses
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from assay.inference.engine import Request
from assay.inference.int8.linear import Int8Linear, OneProduct, quantised_weight
from assay.inference.int8.quantising import quantise_layers
from assay.inference.int8.ranges import (
    RANGES_FILE,
    ActivationRange,
    load_ranges,
    measure_ranges,
    quantised,
    restored,
    save_ranges,
)
from assay.inference.int8.runner import Int8Runner, ranges_of
from assay.inference.local_engine import LocalEngine
from assay.inference.torch.gelu import gelu_pairs
from assay.inference.torch.layer_range import layers_of
from assay.inference.torch.runner import TorchRunner
from assay.models.backbone import find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.lora import LoraShape, add_lora, save_lora
from assay.models.tokens import TokenRow
from assay.schema.errors import IntegrityError, UnsupportedJudgeError

LABELS = ("no", "yes")
SEEN = 30  # rows that the ranges are measured on
# In log-odds, on tiny random backbones whose scores spread by 1 to 2. Rows that the ranges were measured on stay close;
# others may reach beyond the ranges, and few do.
SEEN_AT_MOST = 0.15
UNSEEN_ON_AVERAGE = 0.06
FLIPS = 0.02

needs_vnni = pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this processor has no VNNI")


def even(scale: float, shift: float, inputs: int) -> ActivationRange:
    return ActivationRange(
        scale=torch.full((inputs,), scale), shift=torch.full((inputs,), shift), mean=torch.zeros(inputs)
    )


def test_integers_by_hand():
    one = ActivationRange(scale=torch.tensor([0.5, 2.0]), shift=torch.tensor([0.0, 10.0]), mean=torch.zeros(2))
    states = torch.tensor([[0.0, 10.0], [0.3, 11.1], [-64.0, 1000.0], [-65.0, -1000.0]])
    assert quantised(states, one).tolist() == [[128, 128], [129, 129], [0, 255], [0, 0]]
    assert restored(quantised(states, one), one)[1].tolist() == [0.5, 12.0]


def test_weights_by_hand():
    """Scales 0.5 and 2 go into the weights, shifts (1, 0) into the bias; rounding is none here."""
    one = ActivationRange(scale=torch.tensor([0.5, 2.0]), shift=torch.tensor([1.0, 0.0]), mean=torch.tensor([9.0, 9.0]))
    integers, scales, bias = quantised_weight(torch.tensor([[254.0, 0.0], [2.0, -63.5]]), torch.tensor([1.0, 0.0]), one)
    assert integers.tolist() == [[127, 0], [1, -127]]
    assert scales.tolist() == [1.0, 1.0]
    assert bias.tolist() == [255.0, 2.0]


def test_what_rounding_loses_on_average_goes_into_the_bias():
    one = ActivationRange(scale=torch.ones(2), shift=torch.zeros(2), mean=torch.tensor([0.0, 10.0]))
    integers, scales, bias = quantised_weight(torch.tensor([[127.0, 0.25]]), None, one)
    assert (integers.tolist(), scales.tolist()) == ([[127, 0]], [1.0])
    assert bias.tolist() == [2.5]  # 0.25 · 10


@needs_vnni
@settings(max_examples=25, deadline=None)
@given(inputs=st.integers(1, 70), outputs=st.integers(1, 40), rows=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_product_is_that_of_the_rounded_numbers(inputs, outputs, rows, seed):
    torch.manual_seed(seed)
    linear = nn.Linear(inputs, outputs)
    one = ActivationRange(scale=torch.rand(inputs) / 20 + 0.01, shift=torch.randn(inputs), mean=torch.randn(inputs))
    states = 2 * torch.randn(rows, inputs)
    integers, scales, bias = quantised_weight(linear.weight.detach(), linear.bias, one)
    expected = (quantised(states, one).double() - 128) @ (integers * scales[:, None].double()).T + bias
    got = Int8Linear(linear, one, torch.float32)(states)
    assert torch.allclose(got.double(), expected, atol=1e-4, rtol=1e-4)


@needs_vnni
def test_gelu_and_integers_in_one_product():
    torch.manual_seed(0)
    linear, one, to = nn.Linear(32, 48), even(0.03, 0.0, 32), even(0.02, 0.02 * (128 - 9), 48)
    states = torch.randn(7, 32)
    plain = Int8Linear(linear, one, torch.float32)(states)
    fused = Int8Linear(linear, one, torch.float32, to)(states)
    assert fused.dtype == torch.uint8
    assert (restored(fused, to) - nn.functional.gelu(plain)).abs().max() <= 0.011  # half a step, and float32


@needs_vnni
@torch.inference_mode()
def test_query_key_and_value_are_one_product_and_what_they_were_apart(tiny):
    model = find_backbone(str(tiny("bert"))).load(torch.float32, attention="eager")
    layers = layers_of(model)[1]
    ranges = measure_ranges(model, layers, [list(range(20, 60)), list(range(30, 80))])
    exact = {name: part for name, part in layers.named_modules() if isinstance(part, nn.Linear)}
    names = [f"0.attention.self.{name}" for name in ("query", "key", "value")]
    states = model.embeddings(torch.tensor([list(range(20, 60))]))
    apart = [Int8Linear(exact[name], ranges[name], torch.float32)(states) for name in names]
    products = quantise_layers(layers, exact, ranges, torch.float32)
    assert len(products) == len(layers)
    for name, wanted in zip(names, apart, strict=True):
        assert torch.allclose(layers.get_submodule(name)(states), wanted, atol=1e-5)
    other = states + 1  # another input is not answered with the last one's
    assert not torch.allclose(layers.get_submodule(names[0])(other), apart[0], atol=1e-5)
    assert sum(isinstance(part, OneProduct) for part in layers.modules()) == len(layers)


def test_ranges_cover_what_was_seen_and_are_shared_by_readers(tiny):
    model = find_backbone(str(tiny("bert"))).load(torch.float32, attention="eager")
    layers = layers_of(model)[1]
    ranges = measure_ranges(model, layers, [list(range(20, 60)), list(range(30, 80))])
    assert len(ranges) == 2 * 6
    query, key, value = (ranges[f"0.attention.self.{name}"] for name in ("query", "key", "value"))
    assert query is key is value
    assert query is not ranges["1.attention.self.query"]
    down = ranges["0.output.dense"]
    assert (down.scale == down.scale[0]).all()
    zero = 128 - float(down.shift[0] / down.scale[0])
    assert zero == pytest.approx(round(zero), abs=1e-3)  # a fused product can only write whole zero points
    states = model.embeddings(torch.tensor([list(range(20, 60))]))[0]
    error = (restored(quantised(states, query), query) - states).abs()
    assert (error <= query.scale / 2 + 1e-5).all()  # nothing is cut off


def test_gelu_is_noticed_by_what_it_computes(tiny):
    assert [len(list(gelu_pairs(find_backbone(str(tiny(kind))).load()))) for kind in ("bert", "roberta")] == [2, 2]
    other = find_backbone(str(tiny("bert", hidden_act="relu"))).load()
    assert list(gelu_pairs(other)) == []
    assert list(gelu_pairs(find_backbone(str(tiny("llama"))).load())) == []


def test_ranges_survive_the_disk_and_damage_is_refused(tmp_path):
    shared = even(0.5, 1.0, 3)
    save_ranges({"a": shared, "b": shared, "c": even(0.25, 0.0, 2)}, tmp_path)
    found = load_ranges(tmp_path)
    assert sorted(found) == ["a", "b", "c"]
    assert found["a"] is found["b"]
    assert found["c"].scale.tolist() == [0.25, 0.25]
    (tmp_path / RANGES_FILE).write_bytes(b"not tensors")
    with pytest.raises(IntegrityError, match="quantise the parent again"):
        load_ranges(tmp_path)
    (tmp_path / RANGES_FILE).unlink()
    with pytest.raises(IntegrityError):
        load_ranges(tmp_path)


class Judge:
    """A judge's folder on a tiny backbone, and float32 and int8 engines that run it."""

    def __init__(self, folder: Path, backbone_folder: Path, method: str) -> None:
        backbone = find_backbone(str(backbone_folder))
        self.folder = folder
        self.version = SimpleNamespace(
            id="tiny-1",
            family=backbone.family,
            method="lora" if method == "top-k" else method,
            backbone=backbone.ref,
            dtype="int8",
            training={"lora_layers": "top:1" if method == "top-k" else "all"},
            modes=("single-token", "verdict"),
            criterion=SimpleNamespace(labels=LABELS),
            rendering=SimpleNamespace(label_tokens={}),
        )
        model = backbone.load(torch.float32)
        torch.manual_seed(1)
        if method in ("lora", "top-k"):
            adapted = add_lora(model, backbone, LoraShape(rank=4, layers=self.version.training["lora_layers"]))
            for name, parameter in adapted.named_parameters():
                if "lora_" in name:
                    nn.init.normal_(parameter, std=0.05)
            save_lora(adapted, folder, backbone)
        if method == "full":
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.02 * torch.randn_like(parameter))
            model.save_pretrained(folder / "backbone")
        head = MeanPoolHead(backbone.config.hidden_size, len(LABELS))
        nn.init.normal_(head.classifier.weight, std=0.5)
        head.save(folder)
        numbers = random.Random(3)
        self.rows = [tuple(numbers.randrange(10, 150) for _ in range(numbers.randrange(3, 60))) for _ in range(60)]
        save_ranges(ranges_of(self.version, folder, self.rows[:SEEN]), folder)

    def scores(self, dtype: str, rows: list[tuple[int, ...]]) -> np.ndarray:
        engine = LocalEngine(Int8Runner() if dtype == "int8" else TorchRunner(alone=True, device=torch.device("cpu")))
        try:
            engine.add(SimpleNamespace(**{**vars(self.version), "dtype": dtype}), self.folder)
            asked = [Request(judge="tiny-1", row=TokenRow(ids=row, truncated_tokens=0)) for row in rows]
            return np.array([future.result(timeout=60).scores for future in [engine.submit(one) for one in asked]])
        finally:
            engine.close()


@needs_vnni
@pytest.mark.parametrize("kind", ["bert", "roberta", "deberta"])
@pytest.mark.parametrize("method", ["head", "lora", "top-k", "full"])
def test_scores_are_those_of_float32_within_the_tolerance(tiny, tmp_path, kind, method):
    """Rows that the ranges were measured on, and others. deberta does not pack: it runs padded."""
    judge = Judge(tmp_path, tiny(kind), method)
    exact, rounded = (judge.scores(dtype, judge.rows) @ [-1, 1] for dtype in ("float32", "int8"))
    moved = np.abs(exact - rounded)
    assert 0 < moved[:SEEN].max() < SEEN_AT_MOST
    assert moved[SEEN:].mean() < UNSEEN_ON_AVERAGE
    clear = np.abs(exact) > SEEN_AT_MOST
    assert clear.sum() > 20
    assert ((exact > 0) != (rounded > 0))[clear].mean() <= FLIPS


@needs_vnni
@pytest.mark.parametrize("kind", ["bert", "deberta"])
def test_a_score_does_not_depend_on_what_it_was_batched_with(tiny, tmp_path, kind):
    judge = Judge(tmp_path, tiny(kind), "head")
    together = judge.scores("int8", judge.rows[:12])
    alone = np.concatenate([judge.scores("int8", [row]) for row in judge.rows[:12]])
    assert np.abs(together - alone).max() < 0.03
    assert np.array_equal(judge.scores("int8", judge.rows[:12]), together)


@needs_vnni
def test_two_judges_take_turns_in_one_engine(tiny, tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    judges = []
    for folder, method in zip(folders, ("head", "lora"), strict=True):
        folder.mkdir()
        judges.append(Judge(folder, tiny("bert"), method))
    engine = LocalEngine(Int8Runner())
    try:
        for name, judge in zip("ab", judges, strict=True):
            engine.add(SimpleNamespace(**{**vars(judge.version), "id": name}), judge.folder)
        rows = judges[0].rows[:8]
        asked = [Request(judge=name, row=TokenRow(ids=row, truncated_tokens=0)) for row in rows for name in "ab"]
        got = np.array([future.result(timeout=60).scores for future in [engine.submit(one) for one in asked]])
    finally:
        engine.close()
    for place, judge in enumerate(judges):
        assert np.abs(got[place::2] - judge.scores("int8", rows)).max() < 0.03


@needs_vnni
def test_decoders_and_foreign_ranges_are_refused(tiny, tmp_path, make_version):
    judge = Judge(tmp_path, tiny("bert"), "head")
    decoder = dataclasses.replace(make_version(), family="decoder", method="lora", dtype="int8")
    with pytest.raises(UnsupportedJudgeError, match="int8 backend does not run"):
        Int8Runner().load(decoder, tmp_path)
    with pytest.raises(UnsupportedJudgeError, match="int8 weights"):
        TorchRunner().load(dataclasses.replace(make_version(), dtype="int8", parent="advice-00000000"), tmp_path)
    ranges = load_ranges(tmp_path)
    save_ranges({name: one for name, one in ranges.items() if not name.startswith("1.")}, tmp_path)
    with pytest.raises(IntegrityError, match="does not fit the judge's backbone"):
        Int8Runner().load(judge.version, tmp_path)
