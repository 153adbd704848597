"""The machine a benchmark ran on, and the measured peak of its matrix product."""

import json
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

SIZE = 2048
REPEATS = 20


def describe_machine() -> dict[str, Any]:
    """Processor, cores, threads, versions, and matrix-product peaks (best of `REPEATS`)."""
    return {
        "cpu": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "cores": torch.cpu.get_capabilities().get("num_physical_cores"),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")},
        "float32_gflop_per_s": round(matmul_peak(torch.float32)),
        "bfloat16_gflop_per_s": round(matmul_peak(torch.bfloat16)),
    }


def matmul_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of a square matrix product: 2 · n³ operations over the shortest of several runs."""
    left = torch.randn(SIZE, SIZE).to(dtype)
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - started)
    return 2 * SIZE**3 / best / 1e9


def write_result(path: Path, values: dict[str, Any]) -> None:
    """Write a result file, indented."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
