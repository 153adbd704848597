"""Every judge kind that the torch backend runs, against plain transformers and PEFT, one request at a time.

The reference knows nothing of packing, prefixes or shared layers: the whole row through the model, PEFT's own adapter
code, float32. It is also what says that a sliding window, a soft cap and both rope regimes are honoured.
"""

import dataclasses
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM

from assay.inference.engine import Request
from assay.inference.local_engine import LocalEngine
from assay.inference.torch.loading import LoadedJudge
from assay.inference.torch.padded import PaddedRunner
from assay.inference.torch.runner import TorchRunner
from assay.models.adapter import read_adapter
from assay.models.backbone import find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.tokens import TokenRow

LABELS = (65, 90, 77)
INVOCATION = (101, 102, 103)
DECODERS = ("llama", "qwen3", "mistral", "gemma2", "gemma3", "phi3")
ENCODERS = ("bert", "roberta", "modernbert", "deberta")
PACKED = {*DECODERS, "bert", "roberta"}
ATOL = 1e-4  # float32, on log-softmax scores


class Reference:
    """One backbone and its judges, as transformers and PEFT run them."""

    def __init__(self, folder: Path, family: str) -> None:
        auto: Any = AutoModelForCausalLM if family == "decoder" else AutoModel
        self._auto, self._folder, self._family = auto, folder, family
        self._models: dict[str, Any] = {}
        self.heads: dict[str, MeanPoolHead] = {}

    def new(self) -> Any:
        return self._auto.from_pretrained(self._folder, dtype=torch.float32, attn_implementation="eager").eval()

    def add(self, judge: str, adapter: Path | None, head: MeanPoolHead | None) -> None:
        model = self.new()
        self._models[judge] = PeftModel.from_pretrained(model, str(adapter)).eval() if adapter else model
        if head is not None:
            self.heads[judge] = head

    @torch.inference_mode()
    def scores(self, judge: str, row: TokenRow) -> np.ndarray:
        ids = torch.tensor([row.ids])
        if self._family == "decoder":
            logits = self._models[judge](input_ids=ids, use_cache=False).logits[0, -1, list(LABELS)]
        else:
            states = self._models[judge](input_ids=ids).last_hidden_state
            logits = self.heads[judge](states, torch.ones_like(ids))[0]
        return torch.log_softmax(logits.double(), -1).numpy()


def write_adapter(model: Any, folder: Path, seed: int, *, layers: Sequence[int] | None, invoked: bool) -> Path:
    """A PEFT folder of random LoRA weights on every linear layer, large enough to move the scores."""
    numbered = re.compile(r"(?:.*\.)?(?:layer|layers)\.(\d+)\.")
    wanted = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and (found := numbered.match(name))
        and (layers is None or int(found[1]) in layers)
    ]
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=wanted,
        task_type="CAUSAL_LM" if hasattr(model, "lm_head") else "FEATURE_EXTRACTION",
        alora_invocation_tokens=list(INVOCATION) if invoked else None,
    )
    adapted = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    adapted.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Path]) -> Callable[..., Any]:
    """An engine with judges of every kind on one tiny backbone, and the reference beside it; made once a backbone."""
    made: dict[str, Any] = {}

    def make(kind: str) -> Any:
        if kind not in made:
            made[kind] = _setting(kind, find_backbone(str(tiny(kind))), tmp_path_factory.mktemp(kind))
        return made[kind]

    yield make
    for setting in made.values():
        setting.engine.close()


def _setting(kind: str, backbone: Any, folder: Path) -> Any:
    reference = Reference(backbone.folder, backbone.family)
    # room for 128 tokens: prefixes are evicted all the time
    runner = TorchRunner(device=torch.device("cpu"), cache_bytes=1 << 16)
    engine = LocalEngine(runner, token_budget=256)
    first = SimpleNamespace(family=backbone.family, dtype="float32")
    for number, (judge, layers, invoked) in enumerate(_judges(backbone.family, kind in PACKED)):
        adapter = None
        if layers != ():
            adapter = write_adapter(reference.new(), folder / judge, number, layers=layers, invoked=invoked)
        torch.manual_seed(number)
        head = MeanPoolHead(backbone.config.hidden_size, len(LABELS)).eval() if backbone.family == "encoder" else None
        reference.add(judge, adapter, head)
        loaded = LoadedJudge(
            judge=judge,
            adapter=read_adapter(adapter) if adapter else None,
            head=MeanPoolHead(backbone.config.hidden_size, len(LABELS)) if head is not None else None,
            label_token_ids=LABELS if backbone.family == "decoder" else (),
        )
        if head is not None and loaded.head is not None:
            loaded.head.load_state_dict(head.state_dict())
            loaded.head.eval()
        if runner._inner is None:
            runner._inner, _ = runner._first(first, backbone, loaded)
        runner._inner.install(loaded)
        engine._judges[judge] = first
    return SimpleNamespace(
        engine=engine, reference=reference, runner=runner, judges=tuple(engine._judges), folder=folder
    )


def _judges(family: str, packed: bool) -> list[tuple[str, Sequence[int] | None, bool]]:
    """Name, layers of the adapter (None: all; (): no adapter), whether it is activated LoRA."""
    judges: list[tuple[str, Sequence[int] | None, bool]] = [
        ("plain", (), False),
        ("lora-a", None, False),
        ("lora-b", None, False),
        ("top", (1,), False),
        ("top-b", (1,), False),
    ]
    if family == "decoder" and packed:
        judges += [("alora-a", None, True), ("alora-b", None, True)]
    return judges


def rows_for(judge: str, numbers: random.Random, count: int, longest: int) -> list[TokenRow]:
    """Rows with common beginnings, of many lengths; activated judges' end in their invocation and a short suffix."""
    beginnings = [[numbers.randrange(60, 160) for _ in range(numbers.randrange(3, longest // 2))] for _ in range(3)]
    rows = []
    for _ in range(count):
        content = [
            *numbers.choice(beginnings),
            *(numbers.randrange(60, 160) for _ in range(numbers.randrange(1, longest // 2))),
        ]
        content = [token for token in content if token not in INVOCATION]
        ending = [*INVOCATION, *(numbers.randrange(105, 160) for _ in range(numbers.randrange(0, 5)))]
        ids = (*content, *ending)
        activated = judge.startswith("alora")
        rows.append(
            TokenRow(
                ids=ids,
                truncated_tokens=0,
                adapter_from=len(content) if activated else 0,
                ends=(len(content), len(ids)),
            )
        )
    return rows


def compare(setting: Any, pairs: Sequence[tuple[str, TokenRow]]) -> None:
    futures = [setting.engine.submit(Request(judge=judge, row=row)) for judge, row in pairs]
    for (judge, row), future in zip(pairs, futures, strict=True):
        expected = setting.reference.scores(judge, row)
        got = future.result(timeout=60)
        assert np.abs(got.scores - expected).max() < ATOL, (judge, len(row.ids), got.scores, expected)
        assert got.computed_tokens + got.shared_tokens == len(row.ids)


@pytest.mark.parametrize("kind", [*DECODERS, *ENCODERS])
def test_every_judge_kind_gives_the_scores_of_transformers_and_peft(setting, kind):
    """All judges mixed, twice, so that the second round finds prefixes in the cache (or evicted from it)."""
    made = setting(kind)
    assert made.runner.packs == (kind in PACKED)
    for seed in (1, 2, 1):
        numbers = random.Random(seed)
        pairs = [(judge, row) for judge in made.judges for row in rows_for(judge, numbers, 4, 90)]
        numbers.shuffle(pairs)
        compare(made, pairs)


@pytest.mark.parametrize("kind", DECODERS)
def test_what_is_shared_is_not_computed_again(setting, kind):
    made = setting(kind)
    content = tuple(random.Random(7).choices(range(104, 160), k=60))
    rows = [
        TokenRow(ids=(*content, *INVOCATION, last), truncated_tokens=0, adapter_from=60, ends=(60, 64))
        for last in (110, 120)
    ]
    futures = [
        made.engine.submit(Request(judge=judge, row=row))
        for judge, row in zip(("alora-a", "alora-b"), rows, strict=True)
    ]
    first, second = [future.result(timeout=60) for future in futures]
    assert (first.computed_tokens, second.computed_tokens) == (64, 4)
    again = made.engine.submit(Request(judge="alora-b", row=rows[0])).result(timeout=60)
    assert again.computed_tokens == 4  # the content is the base model's, whoever asked first


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
@pytest.mark.parametrize("packs", [True, False])
def test_explanations_are_those_of_greedy_decoding(setting, kind, packs):
    made = setting(kind)
    if not packs:
        made = padded_instead(made)
    row = rows_for("lora-a", random.Random(3), 1, 60)[0]
    said = made.engine.explain(Request(judge="lora-a", row=row), verdict_token=LABELS[0], max_tokens=12).result(
        timeout=60
    )
    model = made.reference._models["lora-a"]
    ids = [*row.ids, LABELS[0]]
    expected: list[int] = []
    with torch.inference_mode():
        for _ in range(12):
            token = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
            if token == model.config.eos_token_id:
                break
            expected.append(token)
            ids.append(token)
    assert list(said.tokens) == expected
    assert said.cut == (len(expected) == 12)


def padded_instead(made: Any) -> Any:
    """The judges' backbone as one that ignores our attention: rows padded, the model's own attention."""
    model = made.reference.new()
    runner = TorchRunner(device=torch.device("cpu"))
    runner._inner = PaddedRunner(model, "decoder", torch.device("cpu"))
    adapter = read_adapter(made.folder / "lora-a")
    runner._inner.install(LoadedJudge(judge="lora-a", adapter=adapter, head=None, label_token_ids=LABELS))
    engine = LocalEngine(runner)
    engine._judges["lora-a"] = made.engine._judges["lora-a"]
    return SimpleNamespace(engine=engine, reference=made.reference)


def test_a_request_of_another_kind_beside_it_changes_nothing_in_bfloat16(tiny):
    """bfloat16 rounds, so the bound is on logits: 0.03 between a lone and a crowded run."""
    backbone = find_backbone(str(tiny("llama")))
    runner = TorchRunner(device=torch.device("cpu"))
    loaded = LoadedJudge(judge="j", adapter=None, head=None, label_token_ids=LABELS)
    runner._inner, _ = runner._first(SimpleNamespace(family="decoder", dtype="bfloat16"), backbone, loaded)
    runner._inner.install(loaded)
    rows = rows_for("j", random.Random(5), 24, 80)
    engine = LocalEngine(runner)
    engine._judges["j"] = dataclasses.replace  # any value: the judge is known
    alone = [engine.submit(Request(judge="j", row=row)).result(timeout=60).scores for row in rows]
    together = [engine.submit(Request(judge="j", row=row)) for row in rows]
    for one, future in zip(alone, together, strict=True):
        assert np.abs(one - future.result(timeout=60).scores).max() < 0.03
    engine.close()
