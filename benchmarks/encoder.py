"""The encoder's part of `engine.py`: MiniLM packed in bfloat16 against a padded float32 loop, and many judges on it."""

import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from assay.inference.engine import Request
from assay.inference.local_engine import LocalEngine
from assay.inference.own_thread import in_a_thread_of_its_own
from assay.inference.torch.attention import IMPLEMENTATION
from assay.inference.torch.blocked_linear import block_weights
from assay.inference.torch.encoder import EncoderRunner
from assay.inference.torch.encoder_layer import quicken
from assay.inference.torch.loading import LoadedJudge, drop_layers_below, merge, round_parameters
from assay.models.adapter import Adapter
from assay.models.backbone import find_backbone
from assay.models.heads import MeanPoolHead
from assay.models.tokens import TokenRow
from real_sets import SETS
from shapes import Preloaded, answered, best, random_adapter

ENCODER_ROWS = 400
TOP_LAYER = 5


def encoder() -> dict[str, Any]:
    """MiniLM: packed bfloat16 against a padded float32 loop in arrival order; many judges; one text alone."""
    rows = _encoder_rows(ENCODER_ROWS)
    plain_s = best(2, lambda _: in_a_thread_of_its_own(lambda: _padded_loop_s(rows)))
    alone = _encoder_engine([None])
    packed_s = best(3, lambda _: _encoder_s(alone, rows, 1))
    latencies = [
        answered(alone, [Request(judge="judge0", row=_row(np.random.default_rng(number), 128))])[0]
        for number in range(220)
    ][20:]
    alone.close()
    heads = _encoder_engine([None] * 8)
    heads_s = best(3, lambda _: _encoder_s(heads, rows, 8))
    heads.close()
    lora = _encoder_engine(list(range(8)))
    one_lora_s, lora_s = (best(3, lambda _, judges=judges: _encoder_s(lora, rows, judges)) for judges in (1, 8))
    lora.close()
    return {
        "encoder_vs_padded": plain_s / packed_s,
        "encoder_rows_per_s": ENCODER_ROWS / packed_s,
        "padded_rows_per_s": ENCODER_ROWS / plain_s,
        "encoder_mean_tokens": float(np.mean([len(row.ids) for row in rows])),
        "encoder_eight_heads_cost": heads_s / packed_s,
        "encoder_eight_lora_cost": lora_s / one_lora_s,
        "encoder_p50_ms": float(np.percentile(latencies, 50) * 1e3),
        "encoder_p99_ms": float(np.percentile(latencies, 99) * 1e3),
    }


def _row(numbers: np.random.Generator, length: int) -> TokenRow:
    return TokenRow(ids=tuple(numbers.integers(1000, 20000, length).tolist()), truncated_tokens=0)


def _encoder_rows(count: int) -> list[TokenRow]:
    """Rows as long as real texts of mixed sets, in random order; log-normal lengths where there is no data."""
    numbers = np.random.default_rng(0)
    files = [one.file for one in SETS if one.file.is_file()]
    if not files:
        lengths = np.clip(numbers.lognormal(4.2, 0.55, count), 12, 256).astype(int)
        return [_row(numbers, int(length)) for length in lengths]
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    texts = [json.loads(lines[place])["input"] for place in numbers.permutation(len(lines))[:count]]
    tokenizer = find_backbone("minilm").load_tokenizer()
    return [_row(numbers, max(len(ids), 3)) for ids in tokenizer(texts, truncation=True, max_length=256)["input_ids"]]


def _encoder_engine(adapters: Sequence[int | None]) -> LocalEngine:
    """MiniLM with one judge an entry: a head alone (None), or LoRA on the top layer of six with that seed."""
    model: Any = in_a_thread_of_its_own(_minilm)
    engine = LocalEngine(Preloaded(EncoderRunner(model, torch.device("cpu"))))
    for number, seed in enumerate(adapters):
        adapter, own = None, []
        if seed is not None:
            adapter = in_a_thread_of_its_own(
                lambda seed=seed: random_adapter(model, seed, activated=False, layers=[TOP_LAYER])
            )
            own = [in_a_thread_of_its_own(lambda adapter=adapter: _minilm(adapter))]
        head = MeanPoolHead(model.config.hidden_size, 2).eval()
        loaded = LoadedJudge(judge=f"judge{number}", adapter=adapter, head=head, label_token_ids=())
        engine.add(SimpleNamespace(id=loaded.judge, loaded=loaded, own=own), Path())  # type: ignore[arg-type]
    return engine


def _minilm(adapter: Adapter | None = None) -> Any:
    """The body, or a judge's own layers with its adapter merged, as TorchRunner makes them."""
    model = find_backbone("minilm").load(torch.float32 if adapter else torch.bfloat16, attention=IMPLEMENTATION)
    if adapter is not None:
        merge(model, adapter)
        round_parameters(model, torch.bfloat16)
        drop_layers_below(model, adapter.layers[0])
    block_weights(model)
    quicken(model)
    return model


def _encoder_s(engine: LocalEngine, rows: Sequence[TokenRow], judges: int) -> float:
    return answered(engine, [Request(judge=f"judge{number}", row=row) for row in rows for number in range(judges)])[0]


@torch.inference_mode()
def _padded_loop_s(rows: Sequence[TokenRow]) -> float:
    model = AutoModel.from_pretrained(find_backbone("minilm").folder, dtype=torch.float32).eval()
    head = MeanPoolHead(model.config.hidden_size, 2).eval()
    started = time.perf_counter()
    for first in range(0, len(rows), 16):
        batch = rows[first : first + 16]
        longest = max(len(row.ids) for row in batch)
        ids = torch.tensor([[*row.ids, *[0] * (longest - len(row.ids))] for row in batch])
        mask = torch.tensor([[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in batch])
        head(model(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
    return time.perf_counter() - started
