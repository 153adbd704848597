"""The same parity in bfloat16, with judges from their folders, mixed, evicted, removed and added again.

The reference is one request at a time through transformers and PEFT, loaded with `dtype=torch.bfloat16` (parameters in
bfloat16, the adapter's too, which PEFT would keep in float32; rotary buffers in float32). Its label logits are computed
in float32 from its last state, as the engine's are: transformers would round them to bfloat16, whose steps are 1/8
between 16 and 32, and the bound would be on that. What transformers itself would decide, from the rounded ones, is
compared too. A judge with two labels has one logit: the difference of its scores.
"""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModel, AutoModelForCausalLM

from assay.inference.engine import Request
from assay.inference.local_engine import LocalEngine
from assay.inference.runner import Work
from assay.inference.torch.runner import TorchRunner
from assay.models.backbone import Backbone, find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.lora import ADAPTER_FOLDER, LoraShape
from assay.models.small_judge_model import new_model, save_parts
from assay.models.tokens import TokenRow
from assay.schema.judge_version import JudgeVersion

LABELS = {"yes": 65, "no": 90}
INVOCATION = (101, 102, 103)
BOUND = 0.03  # of the logit, between two ways to round the same bfloat16 model
KINDS = ("llama", "qwen3", "gemma2", "phi3", "bert", "roberta")
ON_DECODERS = {"lora-a": "all", "lora-b": "all", "top-a": "top:1", "top-b": "top:1", "alora-a": "all", "alora-b": "all"}
ON_ENCODERS = {"head-a": "", "head-b": "", "lora-a": "all", "lora-b": "all", "top-a": "top:1", "top-b": "top:1"}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """A judge's folder, and the judge as transformers and PEFT run it."""

    version: JudgeVersion
    folder: Path
    model: Any
    head: MeanPoolHead | None

    @torch.inference_mode()
    def logits(self, row: tuple[int, ...]) -> tuple[float, float]:
        """Yes against no: from the last state in float32, and as transformers gives it (an encoder's head is ours)."""
        ids = torch.tensor([row])
        if self.head is not None:
            logits = self.head(self.model(input_ids=ids).last_hidden_state, torch.ones_like(ids))[0]
            return (float(logits[0] - logits[1]),) * 2
        states: list[torch.Tensor] = []
        output = self.model.get_output_embeddings()
        hook = output.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0][0, -1]))
        given = self.model(input_ids=ids, use_cache=False).logits[0, -1, list(LABELS.values())].float()
        hook.remove()
        logits = output.weight[list(LABELS.values())].float() @ states[0].float()
        if softcap := getattr(self.model.config, "final_logit_softcapping", None):
            logits = softcap * torch.tanh(logits / softcap)
        return float(logits[0] - logits[1]), float(given[0] - given[1])


@pytest.fixture(scope="module")
def judges_on(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Callable[..., list[Judge]]:
    """Judges of every kind on one tiny backbone, made once a backbone."""
    made: dict[str, list[Judge]] = {}

    def make(kind: str, make_version: Callable[..., JudgeVersion]) -> list[Judge]:
        if kind not in made:
            backbone = find_backbone(str(tiny(kind, initializer_range=0.05)))
            names = ON_DECODERS if backbone.family == "decoder" else ON_ENCODERS
            folder = tmp_path_factory.mktemp(kind)
            made[kind] = [_judge(backbone, folder / name, seed, make_version) for seed, name in enumerate(names)]
        return made[kind]

    return make


def _judge(backbone: Backbone, folder: Path, seed: int, make_version: Callable[..., JudgeVersion]) -> Judge:
    """A judge with random weights of its own, saved as training saves it."""
    layers = (ON_DECODERS if backbone.family == "decoder" else ON_ENCODERS)[folder.name]
    method: Any = {"head": "head", "alora": "alora"}.get(folder.name.partition("-")[0], "lora")
    invocation = INVOCATION if method == "alora" else ()
    shape = LoraShape(rank=4, layers=layers or "all", invocation_tokens=invocation)
    ids = tuple(LABELS.values()) if backbone.family == "decoder" else ()
    torch.manual_seed(seed)
    model = new_model(backbone, method, len(LABELS), ids, lora=shape).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1 if ids else 0.2)  # the mean over tokens takes most of it away again
    folder.mkdir()
    save_parts(model, folder, backbone, method)
    version = make_version(folder, seed=seed)
    rendering = dataclasses.replace(version.rendering, label_tokens=LABELS if ids else {}, invocation_tokens=invocation)
    version = dataclasses.replace(
        version,
        family=backbone.family,
        method=method,
        backbone=backbone.ref,
        rendering=rendering,
        dtype="bfloat16",
        training={"seed": seed, "lora_layers": layers or "all"},
    )
    auto: Any = AutoModelForCausalLM if ids else AutoModel
    plain = auto.from_pretrained(backbone.folder, dtype=torch.bfloat16, attn_implementation="eager").eval()
    if method != "head":
        plain = PeftModel.from_pretrained(plain, str(folder / ADAPTER_FOLDER), autocast_adapter_dtype=False).eval()
        assert {parameter.dtype for parameter in plain.parameters()} == {torch.bfloat16}
    return Judge(version=version, folder=folder, model=plain, head=None if ids else MeanPoolHead.load(folder))


def works_for(judge: Judge, numbers: random.Random, texts: list[tuple[int, ...]], count: int) -> list[Work]:
    """Rows that begin with whole texts or parts of them; activated judges' end in their invocation and a suffix."""
    activated = bool(judge.version.rendering.invocation_tokens)
    works = []
    for _ in range(count):
        text = numbers.choice(texts)
        content = text[: numbers.choice([len(text), numbers.randrange(1, len(text))])]
        content += tuple(numbers.choices(range(105, 160), k=numbers.choice([0, 0, 1, 20])))
        suffix = (*INVOCATION, *numbers.choices(range(105, 160), k=numbers.randrange(4))) if activated else ()
        works.append(
            Work(
                judge=judge.version.id,
                ids=content + suffix,
                reads="labels",
                adapter_from=len(content) if activated else 0,
                lasting=numbers.choice([len(content), numbers.randrange(len(content))]),
            )
        )
    return works


def texts_of(numbers: random.Random) -> list[tuple[int, ...]]:
    return [tuple(numbers.choices(range(104, 160), k=numbers.randrange(2, longest))) for longest in (12, 60, 100)]


def check(judge: Judge, work: Work, scores: np.ndarray) -> None:
    got = float(scores[0] - scores[1])
    expected, given = judge.logits(work.ids)
    where = (judge.folder.name, len(work.ids), got, expected, given)
    assert abs(got - expected) <= BOUND, where
    assert (got > 0) == (given > 0) or abs(given) <= BOUND, where


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,  # how far rounding goes is a matter of luck, which a test should not have
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 1 << 30),
    token_budget=st.sampled_from([100, 1, 256, 4096]),
    # caches of 32, no, 128 and all tokens (decoders); copies of the layers for no judge and for all (encoders)
    memory=st.tuples(st.sampled_from([1 << 13, 0, 1 << 15, 1 << 24]), st.sampled_from([0, 1 << 30])),
)
def test_any_mixture_gives_the_logits_of_transformers(judges_on, make_version, kind, seed, token_budget, memory):
    """A queue of all judges' requests; between passes now and then one judge goes and comes back."""
    judges = {judge.version.id: judge for judge in judges_on(kind, make_version)}
    numbers = random.Random(seed)
    runner = TorchRunner(device=torch.device("cpu"), cache_bytes=memory[0], copy_bytes=memory[1])
    for judge in numbers.sample(list(judges.values()), len(judges)):
        runner.load(judge.version, judge.folder)()
    assert runner.packs
    texts = texts_of(numbers)
    left = [work for judge in judges.values() for work in works_for(judge, numbers, texts, 6)]
    numbers.shuffle(left)
    while left:
        if numbers.random() < 0.2:
            gone = numbers.choice(list(judges.values()))
            runner.unload(gone.version.id)
            runner.load(gone.version, gone.folder)()
        taken = [left[place] for place in runner.take(left, token_budget)]
        for work, read in zip(taken, runner.run(taken), strict=True):
            check(judges[work.judge], work, read.scores)
        left = [work for work in left if not any(work is other for other in taken)]


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_an_engine_whose_judges_come_and_go_gives_the_logits_of_transformers(judges_on, make_version, kind):
    judges = {judge.version.id: judge for judge in judges_on(kind, make_version)}
    numbers = random.Random(5)
    runner = TorchRunner(device=torch.device("cpu"), cache_bytes=1 << 13, copy_bytes=1 << 30)
    engine = LocalEngine(runner, token_budget=256)
    for judge in judges.values():
        engine.add(judge.version, judge.folder)
    texts = texts_of(numbers)
    for gone in list(judges.values())[::3]:
        works = [work for judge in judges.values() for work in works_for(judge, numbers, texts, 4)]
        numbers.shuffle(works)
        works.sort(key=lambda work: work.judge == gone.version.id)  # it goes while those of others are waiting
        others = [request_of(work) for work in works if work.judge != gone.version.id]
        futures = engine.submit_all(others)
        engine.remove(gone.version.id)
        engine.add(gone.version, gone.folder)
        futures += engine.submit_all([request_of(work) for work in works[len(others) :]])
        for work, future in zip(works, futures, strict=True):
            check(judges[work.judge], work, future.result(timeout=60).scores)
    engine.close()


def request_of(work: Work) -> Request:
    ends = (work.lasting, len(work.ids))
    return Request(
        judge=work.judge, row=TokenRow(ids=work.ids, truncated_tokens=0, adapter_from=work.adapter_from, ends=ends)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_judge_alone_gives_the_logits_of_transformers(judges_on, make_version, kind):
    """Its adapter is added to the weights in float32 and the sum rounded, which PEFT does not do."""
    numbers = random.Random(7)
    for judge in judges_on(kind, make_version):
        runner = TorchRunner(device=torch.device("cpu"), alone=True, cache_bytes=1 << 13)
        runner.load(judge.version, judge.folder)()
        works = works_for(judge, numbers, texts_of(numbers), 8)
        left = list(works)
        while left:
            taken = [left[place] for place in runner.take(left, 256)]
            for work, read in zip(taken, runner.run(taken), strict=True):
                check(judge, work, read.scores)
            left = [work for work in left if not any(work is other for other in taken)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_tells_judges_apart(judges_on, make_version, kind):
    """Or the tests above would pass with another judge's adapter, or with none."""
    numbers = random.Random(3)
    judges = judges_on(kind, make_version)
    texts = texts_of(numbers)
    for judge in judges:
        alike = [other for other in judges if (other.version.method == "alora") == (judge.version.method == "alora")]
        rows = [work.ids for work in works_for(judge, numbers, texts, 12)]
        own = np.array([judge.logits(row)[0] for row in rows])
        others = [[other.logits(row)[0] for row in rows] for other in alike if other is not judge]
        if judge.version.method != "head":
            with judge.model.disable_adapter():
                others.append([judge.logits(row)[0] for row in rows])
        assert (np.abs(np.array(others) - own).mean(axis=1) > 2 * BOUND).all(), judge.folder.name
