"""Parity of the vLLM backend with transformers and PEFT, one request at a time, against real vLLM CPU servers.

`make vllm` builds vLLM's environment and runs this. Elsewhere it skips with the reason.
"""

import contextlib
import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from assay.inference.engine import Request
from assay.inference.vllm.engine import VllmEngine
from assay.inference.vllm.probes import Probes, write_probes
from assay.inference.vllm.servers import VllmServers
from assay.models.backbone import find_backbone
from assay.models.tokens import TokenRow
from assay.schema.errors import IntegrityError, UnsupportedJudgeError
from assay.schema.ids import digest_files
from assay.schema.judge_version import JudgeVersion

_PATH = Path(__file__).parents[2] / "benchmarks" / "vllm_server.py"
_spec = importlib.util.spec_from_file_location("assay_bench_vllm_server", _PATH)
assert _spec is not None
assert _spec.loader is not None
vllm_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(vllm_server)

KINDS = ("llama", "qwen3", "gemma2", "mistral")
MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LABELS = {"yes": 120, "no": 131}
LENGTHS = (2, 15, 16, 17, 40, 130, 255)  # around the tiny sliding window (16) and the server's block (128)
FLOAT32 = 1e-4
BFLOAT16 = 0.03
SHAPE = {"head_dim": 32}  # vLLM's CPU attention has no kernel for the tiny backbones' own 16

pytestmark = pytest.mark.skipif(vllm_server.vllm_python() is None, reason=vllm_server.why_no_vllm())


@pytest.fixture(scope="module")
def folder_of(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny backbone of a kind, with its windows short enough to matter."""

    def make(kind: str) -> Path:
        return tiny(kind, **SHAPE) if kind != "mistral" else _mistral(tiny("llama", **SHAPE), tmp_path_factory)

    return make


def _mistral(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.getbasetemp() / "mistral"
    if folder.exists():
        return folder
    folder.mkdir()
    for path in llama.glob("tok*"):
        shutil.copy(path, folder)
    values = AutoConfig.from_pretrained(llama).to_dict()
    shape = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size")
    shape += ("intermediate_size", "max_position_embeddings", "initializer_range", "bos_token_id", "eos_token_id")
    torch.manual_seed(0)
    config = AutoConfig.for_model("mistral", sliding_window=16, **{name: values[name] for name in shape})
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Served:
    """A server on a backbone, an engine on it, and the means to make judges for it."""

    backbone: Path
    url: str
    engine: VllmEngine
    judge: Callable[..., tuple[JudgeVersion, Path]]


@contextlib.contextmanager
def running(backbone: Path, dtype: str, make_judge: Callable[..., Any], *options: str) -> Iterator[Served]:
    with vllm_server.serve(backbone, lora=True, max_loras=3, dtype=dtype, threads=1, options=options) as url:
        engine = VllmEngine(VllmServers(urls=(url,)))
        yield Served(backbone=backbone, url=url, engine=engine, judge=lambda *a, **b: make_judge(backbone, *a, **b))
        engine.close()


@pytest.fixture(scope="module")
def judges_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


@pytest.fixture
def make_judge(make_version: Callable[..., JudgeVersion], judges_in: Path) -> Callable[..., tuple[JudgeVersion, Path]]:
    return lambda backbone, seed, **lora: _judge(make_version, judges_in, backbone, seed, **lora)


def _judge(
    make_version: Callable[..., JudgeVersion], judges_in: Path, backbone: Path, seed: int, **lora: Any
) -> tuple[JudgeVersion, Path]:
    """A LoRA judge with an adapter that is far from nothing."""
    name = f"j{seed}_{backbone.name.replace('-', '_')}"
    folder = judges_in / name
    model = AutoModelForCausalLM.from_pretrained(backbone)
    options = {"r": 16, "lora_alpha": 32, "target_modules": MODULES, "task_type": "CAUSAL_LM", **lora}
    torch.manual_seed(seed)
    adapted = get_peft_model(model, LoraConfig(**options))
    for parameter_name, parameter in adapted.named_parameters():
        if "lora_B" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapted.save_pretrained(str(folder / "adapter"))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    plain = make_version(name=name, seed=seed)
    version = dataclasses.replace(
        plain,
        family="decoder",
        method="lora",
        backbone=find_backbone(str(backbone)).ref,
        rendering=dataclasses.replace(plain.rendering, label_tokens=LABELS),
        files=digest_files(files),
    )
    return version, folder


def full_judge(make_version: Callable[..., JudgeVersion], backbone: Path) -> JudgeVersion:
    plain = make_version(name="whole")
    weights = {f"backbone/{path.name}": path for path in backbone.glob("*.safetensors")}
    rendering = dataclasses.replace(plain.rendering, label_tokens=LABELS)
    return dataclasses.replace(plain, family="decoder", method="full", rendering=rendering, files=digest_files(weights))


def rows(vocabulary: int = 300) -> list[tuple[int, ...]]:
    """Rows of many lengths; of each length two, that share their first half."""
    numbers = np.random.default_rng(0)
    made = []
    for length in LENGTHS:
        shared = numbers.integers(10, vocabulary, length // 2).tolist()
        made += [(*shared, *numbers.integers(10, vocabulary, length - length // 2).tolist()) for _ in range(2)]
    return made


@torch.inference_mode()
def reference(backbone: Path, adapter: Path | None, ids: tuple[int, ...], dtype: torch.dtype) -> np.ndarray:
    """Plain transformers and PEFT, one row at a time."""
    model: Any = AutoModelForCausalLM.from_pretrained(backbone, dtype=dtype)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter))
    logits = model.eval()(input_ids=torch.tensor([ids])).logits[0, -1, list(LABELS.values())]
    return torch.log_softmax(logits.double(), dim=-1).numpy()


def worst_difference(served: Served, judges: dict[str, Path | None], dtype: torch.dtype) -> float:
    """All rows under all judges in flight together, twice (the second time from the prefix cache)."""
    asked = [(judge, ids) for _ in range(2) for ids in rows() for judge in judges]
    futures = [
        served.engine.submit(Request(judge=judge, row=TokenRow(ids=ids, truncated_tokens=0))) for judge, ids in asked
    ]
    expected = {(judge, ids): reference(served.backbone, judges[judge], ids, dtype) for judge, ids in set(asked)}
    return max(
        float(np.abs(future.result().scores - expected[one]).max()) for one, future in zip(asked, futures, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_transformers_and_peft(folder_of, make_judge, make_version, kind):
    with running(folder_of(kind), "float32", make_judge) as served:
        whole = full_judge(make_version, served.backbone)
        served.engine.add(whole, served.backbone)
        assert worst_difference(served, {whole.id: None}, torch.float32) <= FLOAT32
        served.engine.remove(whole.id)
        judges: dict[str, Path | None] = {}
        for seed, lora in ((1, {}), (2, {"r": 8}), (3, {"layers_to_transform": [1]})):
            version, folder = served.judge(seed, **lora)
            served.engine.add(version, folder)
            judges[version.id] = folder / "adapter"
        with pytest.raises(UnsupportedJudgeError, match="serves adapters too"):
            served.engine.add(whole, served.backbone)
        assert {*served.engine.standings()[0].judges.values()} == {"weights"}
        assert worst_difference(served, judges, torch.float32) <= FLOAT32
        if kind == "llama":
            check_explanations(served)
            check_refusals(served)
            check_forgotten_adapters(served)


def test_bfloat16_stays_within_its_rounding(folder_of, make_judge):
    head = '{"head_dtype": "float32"}'  # else the logits themselves are rounded to bfloat16
    with running(folder_of("llama"), "bfloat16", make_judge, "--hf-overrides", head) as served:
        version, folder = served.judge(1)
        served.engine.add(version, folder)
        assert worst_difference(served, {version.id: folder / "adapter"}, torch.float32) <= BFLOAT16


def check_explanations(served: Served) -> None:
    """Greedy decoding after the verdict token, as transformers does it."""
    judge = next(judge for judge in served.engine.judges() if judge.startswith("j1_"))
    ids, verdict = rows()[8], LABELS["yes"]
    request = Request(judge=judge, row=TokenRow(ids=ids, truncated_tokens=0))
    found = served.engine.explain(request, verdict_token=verdict, max_tokens=12).result()
    _, folder = served.judge(1)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(served.backbone), str(folder / "adapter"))
    prompt = torch.tensor([[*ids, verdict]])
    whole = model.eval().generate(
        input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False
    )
    expected = whole[0, prompt.shape[1] :].tolist()
    end = model.config.eos_token_id
    assert found.cut == (end not in expected)
    assert list(found.tokens) == [token for token in expected if token != end]


def check_refusals(served: Served) -> None:
    """What the server itself does not take is told with its reason, and what is there goes on."""
    before = served.engine.judges()
    wide, folder = served.judge(7, r=128)
    with pytest.raises(UnsupportedJudgeError, match="max_lora_rank"):
        served.engine.add(wide, folder)
    version, folder = served.judge(8)
    write_probes(folder, Probes(rows=((5, 6, 7),), scores=((-5.0, -0.01),)))
    with pytest.raises(IntegrityError, match="off"):
        served.engine.add(version, folder)
    assert served.engine.judges() == before
    moved, folder = served.judge(9)
    elsewhere = VllmEngine(VllmServers(urls=(served.url,), judges_folder="/nowhere"))
    with pytest.raises(UnsupportedJudgeError, match="judges_folder"):
        elsewhere.add(moved, folder)
    elsewhere.close()


def check_forgotten_adapters(served: Served) -> None:
    """Adapters that the server lost, as at a restart, are loaded again when the next request notices."""
    listed = httpx.get(f"{served.url}/v1/models").json()["data"]
    for card in listed:
        if card["parent"]:
            httpx.post(f"{served.url}/v1/unload_lora_adapter", json={"lora_name": card["id"]}).raise_for_status()
    judge = next(judge for judge in served.engine.judges() if judge.startswith("j2_"))
    request = Request(judge=judge, row=TokenRow(ids=rows()[4], truncated_tokens=0))
    _, folder = served.judge(2, r=8)
    expected = reference(served.backbone, folder / "adapter", request.row.ids, torch.float32)
    np.testing.assert_allclose(served.engine.submit(request).result().scores, expected, atol=FLOAT32)


def test_another_adapter_under_the_folder_of_an_old_one_is_not_served_from_its_cache(folder_of, make_judge):
    """A name is a content digest: retrained in place, a judge gets a new name and its own scores."""
    with running(folder_of("llama"), "float32", make_judge) as served:
        first, folder = served.judge(4)
        served.engine.add(first, folder)
        assert worst_difference(served, {first.id: folder / "adapter"}, torch.float32) <= FLOAT32
        path = folder / "adapter" / "adapter_model.safetensors"
        save_file({name: tensor * -3 for name, tensor in load_file(path).items()}, path)
        files = {one.relative_to(folder).as_posix(): one for one in folder.rglob("*") if one.is_file()}
        second = dataclasses.replace(first, files=digest_files(files))
        served.engine.add(second, folder)
        assert worst_difference(served, {second.id: folder / "adapter"}, torch.float32) <= FLOAT32
        names = [card["id"] for card in httpx.get(f"{served.url}/v1/models").json()["data"] if card["parent"]]
        assert len(set(names)) == 2, json.dumps(names)
