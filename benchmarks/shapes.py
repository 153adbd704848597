"""Random-weight models of real shapes, and the requests and judges that the engine's benchmark runs on them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from assay.inference.engine import LabelScores, Request
from assay.inference.local_engine import LocalEngine
from assay.inference.own_thread import in_a_thread_of_its_own
from assay.inference.runner import Read, Work
from assay.inference.torch.attention import IMPLEMENTATION
from assay.inference.torch.blocked_linear import block_weights
from assay.inference.torch.decoder import DecoderRunner
from assay.inference.torch.encoder import EncoderRunner
from assay.inference.torch.layer_range import layers_of
from assay.inference.torch.loading import LoadedJudge
from assay.inference.torch.norms import replace_norms
from assay.models.adapter import Adapter
from assay.models.tokens import TokenRow

LABELS = (17, 4711)
INVOCATION = (11, 12, 13, 14)
RANK = 16
SHAPES: dict[str, dict[str, Any]] = {
    "135m": {
        "model_type": "llama",
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "vocab_size": 49152,
    },
    "0.6b": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 3072,
        "vocab_size": 151936,
    },
    "1b": {
        "model_type": "llama",
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 128256,
    },
    "3b": {
        "model_type": "llama",
        "hidden_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 24,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 128256,
    },
    "8b": {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
    },
}


class Preloaded:
    """A Runner over a model in memory: judges are installed as they are, not read from disk."""

    backend = "torch"
    explains = True

    def __init__(self, inner: DecoderRunner | EncoderRunner) -> None:
        self.inner = inner
        self.device = str(inner._device)
        self.take = inner.take
        self.run: Callable[[Sequence[Work]], list[Read]] = inner.run
        self.unload = inner.unload

    def load(self, version: Any, folder: Path) -> Callable[[], None]:
        del folder
        return lambda: self.inner.install(version.loaded, *version.own)


def save_decoder(shape: str, folder: Path) -> Path:
    """A random-weight decoder of a shape in bfloat16, written for every engine alike."""
    values = dict(SHAPES[shape])
    config = AutoConfig.for_model(
        values.pop("model_type"), **values, tie_word_embeddings=True, max_position_embeddings=4096
    )
    config.bos_token_id = config.eos_token_id = config.pad_token_id = None
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    return folder


def load_decoder(folder: Path, device: str = "cpu") -> Any:
    """The model with our attention, for judging; loaded in a thread that ends, as engines load (see there)."""
    return in_a_thread_of_its_own(lambda: _loaded(folder, device))


def _loaded(folder: Path, device: str) -> Any:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation=IMPLEMENTATION)
    model = model.to(device).eval().requires_grad_(False)
    replace_norms(model)
    block_weights(model)
    return model


def engine_of(model: Any, *, cache_bytes: int = 512 << 20, token_budget: int = 2048) -> LocalEngine:
    """An engine over a decoder in memory."""
    return LocalEngine(
        Preloaded(DecoderRunner(model, model.device, cache_bytes=cache_bytes)), token_budget=token_budget
    )


def add_judge(engine: LocalEngine, name: str, adapter: Adapter | None = None) -> None:
    """A judge by name, with or without an adapter."""
    loaded = LoadedJudge(judge=name, adapter=adapter, head=None, label_token_ids=LABELS)
    engine.add(SimpleNamespace(id=name, loaded=loaded, own=()), Path())  # type: ignore[arg-type]


def random_adapter(model: Any, seed: int, *, activated: bool, layers: Sequence[int] | None = None) -> Adapter:
    """Rank-16 LoRA on every linear layer, with small random weights."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    path, found = layers_of(model)
    changed = tuple(layers or range(len(found)))
    for number in changed:
        for name, module in found[number].named_modules(prefix=f"{path}.{number}"):
            if hasattr(module, "in_features"):
                tensors[name] = (
                    torch.randn(RANK, module.in_features, generator=generator) / module.in_features**0.5,
                    torch.randn(module.out_features, RANK, generator=generator) * 0.01,
                )
    return Adapter(
        rank=RANK,
        scaling=2.0,
        tensors=tensors,
        layers=changed,
        invocation_tokens=INVOCATION if activated else (),
    )


def shared_instruction_rows(count: int, vocabulary: int, *, prefix: int = 150, seed: int = 0) -> list[TokenRow]:
    """Requests of about 300 tokens of which the first `prefix` are one instruction."""
    numbers = np.random.default_rng(seed)
    shared = numbers.integers(100, vocabulary, prefix).tolist()
    rows = []
    for _ in range(count):
        content = numbers.integers(100, vocabulary, int(numbers.integers(120, 181))).tolist()
        ids = (*shared, *content)
        rows.append(TokenRow(ids=ids, truncated_tokens=0, ends=(prefix, len(ids) - 1, len(ids))))
    return rows


def judged_rows(
    texts: int, judges: int, vocabulary: int, *, tokens: int = 290, suffix: int = 12, seed: int = 0
) -> list[list[TokenRow]]:
    """Content first, then each judge's own short suffix, which begins with the invocation: one list a text."""
    numbers = np.random.default_rng(seed)
    endings = [
        (*INVOCATION, *numbers.integers(100, vocabulary, suffix - len(INVOCATION)).tolist()) for _ in range(judges)
    ]
    rows = []
    for _ in range(texts):
        content = tuple(numbers.integers(100, vocabulary, tokens).tolist())
        rows.append(
            [
                TokenRow(
                    ids=(*content, *ending), truncated_tokens=0, adapter_from=tokens, ends=(tokens, tokens + suffix)
                )
                for ending in endings
            ]
        )
    return rows


def requests(judge: str, rows: Sequence[TokenRow]) -> list[Request]:
    """One request a row."""
    return [Request(judge=judge, row=row) for row in rows]


def answered(engine: LocalEngine, requests: Sequence[Request]) -> tuple[float, list[LabelScores]]:
    """Seconds from the submission, all at once as a file's rows are, to the last answer; and the answers."""
    started = time.perf_counter()
    futures = engine.submit_all(requests)
    answers = [future.result() for future in futures]
    return time.perf_counter() - started, answers


def best(runs: int, run: Callable[[int], float]) -> float:
    """The shortest of several runs; each gets its number, for texts of its own."""
    return min(run(number) for number in range(runs))
