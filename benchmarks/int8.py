"""int8 judges beside their parents on real data: speed through the judge, F1, flips; and the peaks beside them.

For each of three sets: import, freeze, train (MiniLM, LoRA, defaults) and `assay quantize`. Then the same texts, a
mixture of all sets, are judged by the parent in bfloat16, the parent in float32 and the child, in turns, in one
process; `int8_speedup` is the child's rows/s over those of the faster parent. Prints one JSON object as its last line
and writes it to results/int8.json. Give `--workspaces` a folder to keep the trained judges in, so that only the
measuring needs the machine for itself (about two minutes).

    python benchmarks/int8.py [--sets …] [--texts 600] [--workspaces DIR] [--out FILE]
"""

import argparse
import dataclasses
import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assay.api import Workspace
from assay.judging.slm import SmallJudge
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from commands import assay
from machine import REPEATS, SIZE, describe_machine, write_result
from real_sets import SETS, BenchmarkSet

USED = ("deepset_prompt_injections", "surge_toxicity", "openai_moderation")
TURNS = 3
ALONE = 100  # texts judged one by one


def int8_speedup(sets: tuple[str, ...] = USED, texts: int = 600, workspaces: Path | None = None) -> dict[str, Any]:
    """All sets; `int8_speedup` is the smallest of their ratios."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = workspaces or Path(temporary)
        examples = mixture(texts)
        found = {one.name: measured(one, folder / one.name, examples) for one in SETS if one.name in sets}
    return {
        "int8_speedup": min(one["speedup"] for one in found.values()),
        "texts": texts,
        "sets": found,
    }


def measured(one: BenchmarkSet, workspace: Path, examples: list[Example]) -> dict[str, Any]:
    """One set: the child's report, and the speed of child and parent on the mixture."""
    child = prepared(one, workspace)
    with Workspace.open(workspace) as here:
        small = here.resolve(child["id"])
        parent = here.resolve(child["parent"])
    versions = {"int8": (small.version, small.folder)}
    for dtype in ("bfloat16", "float32"):
        versions[dtype] = (dataclasses.replace(parent.version, dtype=dtype), parent.folder)
    seconds = {name: float("inf") for name in versions}
    latencies = {name: float("inf") for name in versions}
    for _ in range(TURNS):
        for name, (version, folder) in versions.items():
            whole_s, alone_ms = timed(version, folder, examples)
            seconds[name], latencies[name] = min(seconds[name], whole_s), min(latencies[name], alone_ms)
    against = child["against_parent"]
    loss = against["f1_loss"]
    return {
        "speedup": min(seconds["bfloat16"], seconds["float32"]) / seconds["int8"],
        "rows_per_s": {name: len(examples) / value for name, value in seconds.items()},
        "p50_ms_128_tokens": latencies,
        "f1_loss": loss,
        "within_budget": loss["value"] <= 0.01 and loss["high"] <= 0.03 and against["flips"]["value"] <= 0.02,
        "flips": against["flips"],
        "score_drift": against["score_drift"],
        "size": against["size"],
        "parent_size": against["parent_size"],
        "f1": child["measures"]["f1"],
    }


def timed(version: JudgeVersion, folder: Path, examples: list[Example]) -> tuple[float, float]:
    """Seconds for all examples, and the median ms of one text of 128 tokens alone.

    One engine at a time: with the thread pools of several, every small product waits for a wake-up.
    """
    judge = SmallJudge.load(version, folder)
    list(judge.judge_many(examples[:64]))
    started = time.perf_counter()
    list(judge.judge_many(examples))
    whole_s = time.perf_counter() - started
    moments = []
    for number in range(ALONE):
        text = " ".join(["yes", "no"][(number >> bit) % 2] for bit in range(126))  # with the two special tokens, 128
        moments.append(time.perf_counter())
        judge.judge(Example(id="alone", input=text))
    lasted = np.diff([*moments, time.perf_counter()])
    return whole_s, float(np.median(lasted) * 1e3)


def prepared(one: BenchmarkSet, workspace: Path) -> dict[str, Any]:
    """What `assay quantize` printed for a judge trained on the set; kept in the workspace."""
    kept = workspace / "quantized.json"
    if not kept.exists():
        workspace.mkdir(parents=True, exist_ok=True)
        assay(workspace, "init", ".", "--criterion", one.name)
        (workspace / "criteria" / f"{one.name}.toml").write_text(one.criterion_toml())
        source = ("--criterion", one.name, "--label-source", one.label_source)
        assay(workspace, "data", "import", str(one.file), *source)
        assay(workspace, "data", "freeze", one.name, "--accept-labels", one.label_source, "--min-test-per-class", "50")
        trained = assay(workspace, "train", one.name)
        kept.write_text(json.dumps(assay(workspace, "quantize", trained["id"], "--to", "int8")))
    values: dict[str, Any] = json.loads(kept.read_text())
    return values


def mixture(count: int) -> list[Example]:
    """Texts of all sets, shuffled."""
    texts: list[str] = []
    for one in SETS:
        with gzip.open(one.file, "rt", encoding="utf-8") as rows:
            texts += [json.loads(row)["input"] for row in rows]
    order = np.random.default_rng(0).permutation(len(texts))[:count]
    return [Example(id=str(place), input=texts[place], source="production") for place in order]


def int8_peak() -> float:
    """GOP/s of a square product of 8-bit integers in oneDNN, best of several; 0 without VNNI."""
    if not torch.cpu._is_vnni_supported():
        return 0.0
    left = torch.randint(0, 255, (SIZE, SIZE), dtype=torch.uint8)
    packed = torch.ops.onednn.qlinear_prepack(torch.randint(-127, 127, (SIZE, SIZE), dtype=torch.int8), None)
    scales, zeros = torch.ones(SIZE), torch.zeros(SIZE, dtype=torch.int64)
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        torch.ops.onednn.qlinear_pointwise(
            left, 1.0, 128, packed, scales, zeros, None, 1.0, 0, torch.bfloat16, "none", [], "none"
        )
        best = min(best, time.perf_counter() - started)
    return 2 * SIZE**3 / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(USED))
    parser.add_argument("--texts", type=int, default=600)
    parser.add_argument("--workspaces", type=Path, default=None)
    parser.add_argument("--prepare", action="store_true", help="train and quantise only")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "int8.json")
    options = parser.parse_args()
    sets = tuple(options.sets.split(","))
    if options.prepare:
        done = {one.name: prepared(one, options.workspaces / one.name)["id"] for one in SETS if one.name in sets}
        print(json.dumps(done))
        return
    results = int8_speedup(sets, options.texts, options.workspaces)
    # last: what multiplies in this thread keeps a pool of workers, beside which every small product of an engine waits
    results |= {"int8_gop_per_s": round(int8_peak()), "machine": describe_machine()}
    write_result(options.out, results)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
