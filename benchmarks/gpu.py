"""The engine on a GPU: 1 B, 3 B and 8 B shapes with random weights.

    .venv/bin/python benchmarks/gpu.py [--shapes 1b,3b,8b] [--device cuda]

Two floors stand beside each time: the operations that cannot be avoided over the measured matrix-product peak, and the
bytes of the weights over the measured copy rate. `--device cpu --shapes 135m` tries the script itself.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assay.inference.engine import Request
from assay.inference.local_engine import LocalEngine
from assay.models.tokens import TokenRow
from machine import describe_machine, write_result
from shapes import SHAPES, add_judge, engine_of, judged_rows, load_decoder, random_adapter, save_decoder

RESULTS = Path(__file__).parent / "results" / "gpu.json"
LENGTHS = (128, 512, 2048)
REPEATS = 20
JUDGES = 10
SIZE = 8192


def timed(work: Any, device: str, repeats: int = 5) -> float:
    """Seconds of the shortest run."""
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
    return best


def peaks(device: str) -> dict[str, float]:
    """bfloat16 operations a second of a square product, and bytes a second of a copy (read and written)."""
    size = SIZE if device == "cuda" else 2048
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    source = torch.empty(1 << 28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "operations_per_s": 2 * size**3 / timed(lambda: left @ left, device),
        "bytes_per_s": 2 * source.nbytes / timed(lambda: target.copy_(source), device),
    }


def parameters_of_layers(shape: str) -> int:
    """Weights that each token is multiplied with."""
    values = SHAPES[shape]
    hidden = values["hidden_size"]
    width = values.get("head_dim", hidden // values["num_attention_heads"])
    queries, keys = values["num_attention_heads"] * width, values["num_key_value_heads"] * width
    layer = 2 * hidden * queries + 2 * hidden * keys + 3 * hidden * values["intermediate_size"]
    return int(values["num_hidden_layers"] * layer)


def answered_s(engine: LocalEngine, requests: list[Request]) -> float:
    """Seconds from the first submission to the last answer."""
    started = time.perf_counter()
    for future in [engine.submit(request) for request in requests]:
        future.result()
    return time.perf_counter() - started


def measure(shape: str, device: str) -> dict[str, Any]:
    """One shape: latency by length, throughput, the share of the peak, ten judges on one text."""
    vocabulary, weights, peak = SHAPES[shape]["vocab_size"], parameters_of_layers(shape), peaks(device)
    numbers = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        model = load_decoder(save_decoder(shape, Path(folder) / "model"), device)
    engine = engine_of(model, token_budget=8192, cache_bytes=2 << 30)
    add_judge(engine, "base")
    for number in range(JUDGES):
        add_judge(engine, f"judge{number}", random_adapter(model, number, activated=True))

    def row(length: int) -> TokenRow:
        return TokenRow(ids=tuple(numbers.integers(100, vocabulary, length).tolist()), truncated_tokens=0)

    values: dict[str, Any] = {"peak": peak, "latency": {}}
    for length in LENGTHS:
        seconds = [answered_s(engine, [Request(judge="base", row=row(length))]) for _ in range(REPEATS)][2:]
        values["latency"][length] = {
            "p50_ms": float(np.percentile(seconds, 50) * 1e3),
            "p99_ms": float(np.percentile(seconds, 99) * 1e3),
            "operations_floor_ms": 2 * weights * length / peak["operations_per_s"] * 1e3,
            "bytes_floor_ms": 2 * weights / peak["bytes_per_s"] * 1e3,
        }
    many = [Request(judge="base", row=row(512)) for _ in range(64)]
    seconds_many = answered_s(engine, many)
    values["requests_per_s_at_512"] = len(many) / seconds_many
    values["peak_share"] = 2 * weights * 512 * len(many) / seconds_many / peak["operations_per_s"]

    def judges_s(count: int) -> float:
        text = judged_rows(1, count, vocabulary, seed=int(numbers.integers(1 << 30)))[0]
        return answered_s(engine, [Request(judge=f"judge{place}", row=one) for place, one in enumerate(text)])

    values["ten_judges_cost"] = min(judges_s(JUDGES) for _ in range(5)) / min(judges_s(1) for _ in range(5))
    engine.close()
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="1b,3b,8b")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device cpu --shapes 135m tries the script")
    values = {shape: measure(shape, arguments.device) for shape in arguments.shapes.split(",")}
    if arguments.device == "cuda":
        write_result(RESULTS, {**values, "machine": describe_machine()})
    print(json.dumps(values))


if __name__ == "__main__":
    main()
