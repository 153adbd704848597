"""What the engine costs, each figure a ratio in one run on the same weights and requests.

    .venv/bin/python benchmarks/engine.py [--only one_judge,many_judges,…]

Run it alone. The floors that it is held against: a token of the 135 M shape costs 2 x 106 M multiplications and
additions, and the matrix product's peak is measured beside (`peak_share`). Sections that were not asked for keep the
values of the last run (results/engine.json; `machines` says where each ran); what cannot be measured is null, with a
reason beside it. `int8_speedup` is int8.py's, from its own results.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from assay.inference.engine import LabelScores, Request
from assay.inference.local_engine import LocalEngine
from assay.inference.own_thread import in_a_thread_of_its_own
from assay.models.adapter import Adapter
from assay.models.tokens import TokenRow
from assay.serving.level_memory import give_back, keep_few_prepared
from encoder import encoder
from machine import describe_machine, matmul_peak, write_result
from shapes import (
    INVOCATION,
    LABELS,
    RANK,
    SHAPES,
    add_judge,
    answered,
    best,
    engine_of,
    judged_rows,
    load_decoder,
    random_adapter,
    save_decoder,
    shared_instruction_rows,
)
from vllm_server import Wanted, base_model, load_adapter, serve, verdicts_per_second, vllm_python, why_no_vllm

RESULTS = Path(__file__).parent / "results" / "engine.json"
INT8_RESULTS = RESULTS.with_name("int8.json")
REQUESTS = 48
TEXTS = 24
PREFIX = 150
TURNS = 20
SUFFIX = 12
MEMORY_REQUESTS = 100_000
VLLM_TEXTS = 6  # under eight adapters each: some two minutes of vLLM's


def one_judge(shape: str, runs: int) -> dict[str, Any]:
    """48 requests that share an instruction, against vLLM on the same weights; the share of the peak."""
    vocabulary = SHAPES[shape]["vocab_size"]
    with tempfile.TemporaryDirectory() as folder:
        saved = save_decoder(shape, Path(folder) / "model")
        model = load_decoder(saved)
        engine = engine_of(model)
        add_judge(engine, "judge")
        rows = shared_instruction_rows(REQUESTS, vocabulary)
        warm = shared_instruction_rows(4, vocabulary, seed=1)
        answered(engine, [Request(judge="judge", row=row) for row in warm])
        peak = in_a_thread_of_its_own(lambda: matmul_peak(torch.bfloat16)) * 1e9
        timed = [_fresh(engine, "judge", rows, number) for number in range(runs)]
        seconds, answers = min(timed, key=lambda pair: pair[0])
        engine.close()
        del model
        values: dict[str, Any] = {
            "verdicts_per_s": REQUESTS / seconds,
            "computed_tokens": sum(answer.computed_tokens for answer in answers),
            "operations": _operations(shape, rows, sum(answer.computed_tokens for answer in answers)),
            "peak_gflop_per_s": peak / 1e9,
        }
        values["peak_share"] = values["operations"] / seconds / peak
        if vllm_python() is None:
            return values | {"vs_vllm": None, "reason": why_no_vllm()}
        others = _again(warm, rows)
        for mode, options in (("compiled", []), ("eager", ["--enforce-eager"])):
            with serve(saved, options=["--skip-tokenizer-init", "--max-model-len", "2048", *options]) as url:
                name = base_model(url)
                wanted, before = (
                    [Wanted(model=name, ids=row.ids, label_tokens=LABELS) for row in part] for part in (rows, others)
                )
                values[f"vllm_{mode}_verdicts_per_s"] = verdicts_per_second(url, wanted, warm=before).verdicts_per_s
        fastest = max(values["vllm_compiled_verdicts_per_s"], values["vllm_eager_verdicts_per_s"])
        values["vs_vllm"] = values["verdicts_per_s"] / fastest
        return values


def _fresh(engine: LocalEngine, judge: str, rows: Sequence[TokenRow], number: int) -> tuple[float, list[LabelScores]]:
    """The same instruction, texts that the engine has not seen: every token moved by the run's number."""
    moved = [
        TokenRow(
            ids=(*row.ids[:PREFIX], *(token - number for token in row.ids[PREFIX:])), truncated_tokens=0, ends=row.ends
        )
        for row in rows
    ]
    return answered(engine, [Request(judge=judge, row=row) for row in moved])


def _again(warm: Sequence[TokenRow], rows: Sequence[TokenRow]) -> list[TokenRow]:
    """The rows' own instruction before other texts."""
    return [TokenRow(ids=(*rows[0].ids[:PREFIX], *row.ids[PREFIX:]), truncated_tokens=0) for row in warm]


def _operations(shape: str, rows: Sequence[TokenRow], computed: int) -> float:
    """Multiplications and additions that cannot be avoided: linear layers of the tokens computed, causal attention."""
    values = SHAPES[shape]
    hidden, layers = values["hidden_size"], values["num_hidden_layers"]
    width = values.get("head_dim", hidden // values["num_attention_heads"])
    queries, keys = values["num_attention_heads"] * width, values["num_key_value_heads"] * width
    linear = layers * (2 * hidden * queries + 2 * hidden * keys + 3 * hidden * values["intermediate_size"])
    pairs = sum((len(row.ids) ** 2 - PREFIX**2) / 2 for row in rows) + PREFIX**2 / 2
    return 2 * linear * computed + 4 * queries * layers * pairs


def many_judges() -> dict[str, Any]:
    """Activated-LoRA judges on texts of 290 tokens with suffixes of 12, against one of them."""
    vocabulary = SHAPES["135m"]["vocab_size"]
    with tempfile.TemporaryDirectory() as folder:
        saved = save_decoder("135m", Path(folder) / "model")
        model = load_decoder(saved)
        adapters = in_a_thread_of_its_own(partial(_activated, model, 16))
        engine = engine_of(model, token_budget=4096)
        for number, adapter in enumerate(adapters):
            add_judge(engine, f"judge{number}", adapter)
        seconds = {
            (texts, judges): _judged_s(engine, judges, texts, vocabulary)
            for texts in (TEXTS, 1)
            for judges in (1, 8, 16)
        }
        engine.close()
        values: dict[str, Any] = {
            "eight_judges_cost": seconds[TEXTS, 8] / seconds[TEXTS, 1],
            "sixteen_judges_cost": seconds[TEXTS, 16] / seconds[TEXTS, 1],
            "eight_judges_cost_one_text": seconds[1, 8] / seconds[1, 1],
            "sixteen_judges_cost_one_text": seconds[1, 16] / seconds[1, 1],
            "seconds": {f"{texts} texts, {judges} judges": value for (texts, judges), value in seconds.items()},
            "eight_judges_verdicts_per_s": TEXTS * 8 / seconds[TEXTS, 8],
        }
        return values


def vllm_adapters() -> dict[str, Any]:
    """Eight judges on the same prompts: ours on activated LoRA, then vLLM with the same numbers as plain LoRA."""
    if vllm_python() is None:
        return {"eight_judges_vs_vllm_lora": None, "eight_judges_vs_vllm_lora_reason": why_no_vllm()}
    texts = judged_rows(VLLM_TEXTS, 8, SHAPES["135m"]["vocab_size"], seed=3)
    with tempfile.TemporaryDirectory() as folder:
        saved = save_decoder("135m", Path(folder) / "model")
        model = load_decoder(saved)
        adapters = in_a_thread_of_its_own(partial(_activated, model, 8))
        ours_s = _ours_s(model, adapters, texts)
        del model
        theirs_s = _vllm_s(saved, adapters, Path(folder), texts)
    return {
        "eight_judges_vs_vllm_lora": theirs_s / ours_s,
        "eight_judges_vs_vllm_lora_texts": VLLM_TEXTS,
        "eight_judges_vs_vllm_lora_ours_s": ours_s,
        "eight_judges_vs_vllm_lora_vllm_s": theirs_s,
    }


def _ours_s(model: Any, adapters: Sequence[Adapter], texts: Sequence[Sequence[TokenRow]]) -> float:
    """Seconds for all texts; the first pass is on other ones."""
    engine = engine_of(model, token_budget=4096)
    for number, adapter in enumerate(adapters):
        add_judge(engine, f"judge{number}", adapter)
    others = judged_rows(VLLM_TEXTS, len(adapters), SHAPES["135m"]["vocab_size"], seed=4)
    for rows in (others, texts):
        asked = [Request(judge=f"judge{place}", row=row) for text in rows for place, row in enumerate(text)]
        seconds, _ = answered(engine, asked)
    engine.close()
    return seconds


def _activated(model: Any, count: int) -> list[Adapter]:
    return [random_adapter(model, seed, activated=True) for seed in range(count)]


def _judged_s(engine: LocalEngine, judges: int, texts: int, vocabulary: int) -> float:
    def run(seed: int) -> float:
        rows = judged_rows(texts, judges, vocabulary, seed=seed)
        requests = [Request(judge=f"judge{place}", row=row) for text in rows for place, row in enumerate(text)]
        return answered(engine, requests)[0]

    first = 1000 * texts + 100 * judges  # texts that no other measurement has seen
    run(first + 99)
    return best(3 if texts > 1 else 15, lambda number: run(first + number))


def _vllm_s(saved: Path, adapters: Sequence[Adapter], folder: Path, texts: Sequence[Sequence[TokenRow]]) -> float:
    options = ["--skip-tokenizer-init", "--max-model-len", "2048"]
    with serve(saved, lora=True, max_loras=len(adapters), options=options) as url:
        for number, adapter in enumerate(adapters):
            load_adapter(url, f"judge{number}", write_adapter(adapter, folder / f"judge{number}"))
        wanted, other = (
            [
                Wanted(model=f"judge{place}", ids=row.ids, label_tokens=LABELS)
                for text in rows
                for place, row in enumerate(text)
            ]
            for rows in (texts, judged_rows(1, 1, SHAPES["135m"]["vocab_size"], seed=4))
        )
        return verdicts_per_second(url, wanted, warm=other).seconds


def write_adapter(adapter: Adapter, folder: Path) -> Path:
    """An adapter as a plain LoRA folder of PEFT's."""
    folder.mkdir()
    tensors = {}
    for module, (down, up) in adapter.tensors.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = down.contiguous()
        tensors[f"base_model.model.{module}.lora_B.weight"] = up.contiguous()
    save_file(tensors, folder / "adapter_model.safetensors")
    modules = sorted({module.rpartition(".")[2] for module in adapter.tensors})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK * adapter.scaling,
        "target_modules": modules,
        "bias": "none",
        "base_model_name_or_path": "",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def session() -> dict[str, Any]:
    """A session judged after each of 20 turns, against judging the whole once."""
    vocabulary = SHAPES["135m"]["vocab_size"]
    with tempfile.TemporaryDirectory() as folder:
        model = load_decoder(save_decoder("135m", Path(folder) / "model"))
        engine = engine_of(model)
        add_judge(engine, "judge", in_a_thread_of_its_own(lambda: random_adapter(model, 0, activated=True)))

        def growing(seed: int) -> list[TokenRow]:
            numbers = np.random.default_rng(seed)
            suffix = (*INVOCATION, *numbers.integers(100, vocabulary, SUFFIX - len(INVOCATION)).tolist())
            said: tuple[int, ...] = ()
            rows = []
            for _ in range(TURNS):
                said += tuple(numbers.integers(100, vocabulary, int(numbers.integers(80, 121))).tolist())
                rows.append(
                    TokenRow(
                        ids=(*said, *suffix),
                        truncated_tokens=0,
                        adapter_from=len(said),
                        ends=(len(said), len(said) + SUFFIX),
                    )
                )
            return rows

        def turn_by_turn(seed: int) -> float:
            return sum(answered(engine, [Request(judge="judge", row=row)])[0] for row in growing(seed))

        def whole(seed: int) -> float:
            return answered(engine, [Request(judge="judge", row=growing(100 + seed)[-1])])[0]

        whole(50)
        after_each, once = best(3, turn_by_turn), best(3, whole)
        engine.close()
    return {"session_cost": after_each / once, "session_s": after_each, "session_once_s": once}


def memory() -> dict[str, Any]:
    """Resident memory over 100,000 requests with prefixes that come and go, on a small decoder with a small cache.

    With what a server does for it (`serving.level_memory`).
    """
    keep_few_prepared()
    values = {**SHAPES["135m"], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    SHAPES["small"] = {**values, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 8192}
    numbers = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        model = load_decoder(save_decoder("small", Path(folder) / "model"))
        engine = engine_of(model, cache_bytes=16 << 20, token_budget=8192)
        add_judge(engine, "judge")
        after: dict[int, int] = {}
        for done in range(0, MEMORY_REQUESTS, 1000):
            shared = tuple(numbers.integers(100, 2048, 12).tolist())
            rows = [
                TokenRow(
                    ids=(*shared, *numbers.integers(100, 2048, 12).tolist()), truncated_tokens=0, ends=(12, 20, 24)
                )
                for _ in range(1000)
            ]
            answered(engine, [Request(judge="judge", row=row) for row in rows])
            give_back()
            after[done + 1000] = _resident_bytes()
        engine.close()
    return {
        "memory_requests": MEMORY_REQUESTS,
        "memory_after_10000_mib": after[10_000] >> 20,
        "memory_after_100000_mib": after[MEMORY_REQUESTS] >> 20,
        "peak_resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize()


def _one_judge_135m() -> dict[str, Any]:
    values = one_judge("135m", 3)
    return {
        "one_judge_vs_vllm": values["vs_vllm"],
        "one_judge_vs_vllm_reason": values.get("reason"),
        "peak_share": values["peak_share"],
        "one_judge": values,
    }


def _one_judge_0_6b() -> dict[str, Any]:
    values = one_judge("0.6b", 1)
    return {
        "one_judge_vs_vllm_0_6b": values["vs_vllm"],
        "one_judge_vs_vllm_0_6b_reason": values.get("reason"),
        "one_judge_0_6b": values,
    }


SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "one_judge": _one_judge_135m,
    "one_judge_0_6b": _one_judge_0_6b,
    "many_judges": many_judges,
    "vllm_adapters": vllm_adapters,
    "session": session,
    "encoder": encoder,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {', '.join(SECTIONS)}")
    wanted = parser.parse_args().only.split(",")
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"unknown sections {sorted(unknown)}")
    if len(wanted) > 1:
        for (
            name
        ) in wanted:  # each in a process of its own: an engine that was there before leaves its thread pool behind
            subprocess.run([sys.executable, __file__, "--only", name], check=True, stdout=subprocess.DEVNULL)
        print(json.dumps(_kept()))
        return
    kept = _kept()
    values = kept | SECTIONS[wanted[0]]() | _int8()
    values["machines"] = kept.get("machines", {}) | {wanted[0]: describe_machine()}
    write_result(RESULTS, values)
    print(json.dumps(values))


def _kept() -> dict[str, Any]:
    """The last run's values."""
    kept: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return kept


def _int8() -> dict[str, Any]:
    if not INT8_RESULTS.exists():
        return {"int8_speedup": None, "int8_speedup_reason": "run int8.py"}
    return {"int8_speedup": json.loads(INT8_RESULTS.read_text(encoding="utf-8"))["int8_speedup"]}


if __name__ == "__main__":
    main()
