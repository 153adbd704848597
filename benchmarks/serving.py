"""What serving costs and gives, under load from wrk (Debian: apt-get install wrk).

    python benchmarks/serving.py --workspace assay-demo [--seconds 8] [--parts engineless,judge,int8,batching,decoder]

Needs a workspace whose judge is `advice@candidate` (`assay demo` makes one). Its last line is one JSON object:

* engineless: the server over an engine without a model. `overhead_p50_ms`, the service's time less the engine's;
  `http_p50_ms_one_client`, all that a client sees; `test_engine_rps` at 16 connections.
* judge: the real judge on texts of about 128 tokens. `sustainable_rps`, the most that closed loops of up to twelve
  get; `p50_ms` and `p99_ms` at half of it; at twice of it `overload_goodput_share` (verdicts of the judge itself a
  second, against the peak: the mean of three loads, closed loops between them) and `late_share` (of the accepted
  requests, those answered over 20 ms after their deadline).
* int8: the same of the judge's int8 child, which `assay quantize` makes first; every name begins with `int8_`.
* batching: texts of 32 to 128 tokens at 16 connections. `batching_gain_encoder`, against the same server with one
  request a pass; `one_client_slowdown`, the same comparison of medians with one connection.
* decoder: `batching_gain_decoder` of a random-weight 135 M decoder, 128 to 300 tokens of which 100 are one instruction,
  prefix cache on, 16 in flight, against one request a pass. The engine alone, in this process, without a server.

`generator_cpu_share` is the part of the cores that wrk took, the largest of the parts asked for.
"""

import argparse
import json
import re
import shutil
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from commands import assay
from load import Found, at_rate, closed_loop
from machine import describe_machine, write_result
from served import Server

RESULTS = Path(__file__).parent / "results" / "serving.json"  # parts that were not asked for keep their last values
JUDGE = "advice@candidate"
DEADLINE_MS = 500
TOLERANCE_MS = 20.0
SETTLE_S = 1.0  # of a load, before and after what is counted
CONNECTIONS = 48  # at a fixed rate, more than admission lets in at once
ROUNDS = 3  # of twice the sustainable load, each between two closed loops
LOOPS = (1, 4, 8, 12)  # connections; more would be refused at this deadline, and wrk sends again at once what was
SENTENCE = "You could put a part of your savings into a bond fund and keep the rest where you can reach it. "
PREFIX_TOKENS, LEAST_TOKENS, MOST_TOKENS, IN_FLIGHT = 100, 128, 300, 16
DECODED_ROWS = 128  # different texts; more than are in flight, and all of them new to the prefix cache's tail
VERDICTS = re.compile(r'^assay_verdicts_total\{.*kind="decided".*route="judge".*\} (\S+)$', re.M)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("assay-demo"))
    parser.add_argument("--seconds", type=int, default=8, help="of each load")
    parser.add_argument("--parts", default="engineless,judge,int8,batching,decoder")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("not installed: apt-get install wrk")
    parts: dict[str, Callable[[Path, int], dict[str, Any]]] = {
        "engineless": engineless,
        "judge": real_judge,
        "int8": int8_child,
        "batching": batching,
        "decoder": decoder,
    }
    wanted = given.parts.split(",")
    if unknown := set(wanted) - set(parts):
        raise SystemExit(f"no such parts: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found: dict[str, Any] = {key: kept[key] for key in kept if key != "machine"} | {"generator_cpu_share": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        shutil.copytree(given.workspace, workspace)
        for name in wanted:
            part = parts[name](workspace, given.seconds)
            share = max(found["generator_cpu_share"], part.pop("generator_cpu_share", 0.0))
            found |= {**part, "generator_cpu_share": round(share, 3)}
            print(f"{name}: {json.dumps(part)}", flush=True)
    write_result(RESULTS, {**found, "machine": describe_machine()})
    print(json.dumps(found))


def engineless(workspace: Path, seconds: int) -> dict[str, Any]:
    """The server alone: one client for its own time, sixteen for its throughput."""
    bodies = [body(f"Case {number}: buy the Apex fund now.") for number in range(64)]
    with Server(workspace, "test") as server:
        closed_loop(server.url, bodies, connections=1, seconds=2)
        alone = closed_loop(server.url, bodies, connections=1, seconds=seconds)
        overhead_ms = histogram_median_ms(server.url, "assay_overhead_seconds")
        many = closed_loop(server.url, bodies, connections=16, seconds=seconds)
    return {
        "overhead_p50_ms": overhead_ms,
        "http_p50_ms_one_client": alone.p50_ms,
        "test_engine_rps": round(many.rps),
        "test_engine_p99_ms": many.p99_ms,
        "generator_cpu_share": max(alone.generator_cpu_share, many.generator_cpu_share),
    }


def int8_child(workspace: Path, seconds: int) -> dict[str, Any]:
    """The judge in 8-bit integers, made here; whether it may be promoted is not asked."""
    child = assay(workspace, "quantize", JUDGE, "--to", "int8")["id"]
    found = real_judge(workspace, seconds, child)
    share = found.pop("generator_cpu_share")
    return {**{f"int8_{name}": value for name, value in found.items()}, "generator_cpu_share": share}


def real_judge(workspace: Path, seconds: int, judge: str = JUDGE) -> dict[str, Any]:
    """A judge itself: how much it can, how fast it is at half of that, what is left at twice that."""
    bodies = [body(text(number, 5), judge) for number in range(CONNECTIONS)]
    with Server(workspace, "real") as server:

        def looped(connections: int) -> tuple[float, Found]:
            return decided(
                server.url, seconds, lambda: closed_loop(server.url, bodies, connections=connections, seconds=seconds)
            )

        def fixed(rate: float) -> tuple[float, Found]:
            return decided(
                server.url,
                seconds,
                lambda: at_rate(server.url, bodies, rate=rate, connections=CONNECTIONS, seconds=seconds),
            )

        closed_loop(server.url, bodies, connections=2, seconds=3)
        fewer = [looped(connections) for connections in LOOPS[:-1]]
        most, over = [looped(LOOPS[-1])], []
        for _ in range(ROUNDS):  # in turns: the machine's own speed drifts
            over.append(fixed(2 * most[0][0]))
            most.append(looped(LOOPS[-1]))
        peak = max(*(rate for rate, _ in fewer), statistics.mean(rate for rate, _ in most))
        half = at_rate(server.url, bodies, rate=peak / 2, connections=CONNECTIONS, seconds=seconds)
    accepted = [time_ms for _, load in over for time_ms in load.times_ms]
    return {
        "sustainable_rps": round(peak, 1),
        "p50_ms": half.p50_ms,
        "p99_ms": half.p99_ms,
        "half_load_rps": round(half.rps, 1),
        "overload_goodput_share": round(statistics.mean(rate for rate, _ in over) / peak, 3),
        "overload_goodput_shares": [round(rate / peak, 3) for rate, _ in over],
        "overload_sent_rps": round(statistics.mean(load.sent for _, load in over) / seconds, 1),
        "overload_refused": sum(load.refused for _, load in over),
        "overload_accepted": len(accepted),
        "overload_p99_ms": max(load.p99_ms for _, load in over),
        "late_share": round(sum(late > DEADLINE_MS + TOLERANCE_MS for late in accepted) / len(accepted), 5),
        "generator_cpu_share": max(load.generator_cpu_share for _, load in (*fewer, *most, *over)),
    }


def batching(workspace: Path, seconds: int) -> dict[str, Any]:
    """The same server with batches, and with one request a pass."""
    bodies = [body(text(number, 1 + number % 5)) for number in range(64)]
    found: dict[str, dict[int, Found]] = {}
    for engine in ("real", "one"):
        with Server(workspace, engine) as server:
            closed_loop(server.url, bodies, connections=2, seconds=2)
            found[engine] = {
                count: closed_loop(server.url, bodies, connections=count, seconds=seconds) for count in (1, 16)
            }
    batched, single = found["real"], found["one"]
    return {
        "batching_gain_encoder": round(batched[16].rps / single[16].rps, 2),
        "batched_rps": round(batched[16].rps, 1),
        "one_a_pass_rps": round(single[16].rps, 1),
        "one_client_p50_ms": batched[1].p50_ms,
        "one_client_p50_ms_one_a_pass": single[1].p50_ms,
        "one_client_slowdown": round(batched[1].p50_ms / single[1].p50_ms, 3),
        "generator_cpu_share": max(one.generator_cpu_share for runs in found.values() for one in runs.values()),
    }


def decoder(workspace: Path, seconds: int) -> dict[str, Any]:
    """The engine over a 135 M decoder, with batches and with one request a pass."""
    from shapes import add_judge, engine_of, load_decoder, requests, save_decoder  # noqa: PLC0415 - torch

    model = load_decoder(save_decoder("135m", workspace / "decoder"))
    rates, medians_ms = {}, {}
    for name, budget in (("batched", 2048), ("one a pass", 1)):
        engine = engine_of(model, token_budget=budget)
        add_judge(engine, "judge")
        asked = requests("judge", decoder_rows(model.config.vocab_size))
        in_flight(engine, asked, IN_FLIGHT, 1.0)
        rates[name], _ = in_flight(engine, asked, IN_FLIGHT, seconds)
        _, medians_ms[name] = in_flight(engine, asked, 1, seconds)
        engine.close()
    return {
        "batching_gain_decoder": round(rates["batched"] / rates["one a pass"], 2),
        "decoder_batched_rps": round(rates["batched"], 2),
        "decoder_one_a_pass_rps": round(rates["one a pass"], 2),
        "decoder_one_client_slowdown": round(medians_ms["batched"] / medians_ms["one a pass"], 3),
    }


def decoder_rows(vocabulary: int) -> list[Any]:
    """Rows of 128 to 300 tokens that begin with one instruction; no two alike."""
    import numpy as np  # noqa: PLC0415 - as above

    from assay.models.tokens import TokenRow  # noqa: PLC0415

    numbers = np.random.default_rng(0)
    shared = numbers.integers(100, vocabulary, PREFIX_TOKENS).tolist()
    rows = []
    for _ in range(DECODED_ROWS):
        length = int(numbers.integers(LEAST_TOKENS, MOST_TOKENS + 1))
        ids = (*shared, *numbers.integers(100, vocabulary, length - PREFIX_TOKENS).tolist())
        rows.append(TokenRow(ids=ids, truncated_tokens=0, ends=(PREFIX_TOKENS, len(ids) - 1, len(ids))))
    return rows


def in_flight(engine: Any, asked: Sequence[Any], count: int, seconds: float) -> tuple[float, float]:
    """A closed loop with so many requests in flight: answers a second, and their median time in ms."""
    waiting: deque[tuple[float, Any]] = deque()
    times_ms, place, began = [], 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        while len(waiting) < count:
            waiting.append((time.perf_counter(), engine.submit(asked[place % len(asked)])))
            place += 1
        sent, future = waiting.popleft()
        future.result()
        times_ms.append((time.perf_counter() - sent) * 1e3)
    for sent, future in waiting:
        future.result()
        times_ms.append((time.perf_counter() - sent) * 1e3)
    return len(times_ms) / (time.perf_counter() - began), statistics.median(times_ms)


def body(output: str, judge: str = JUDGE) -> dict[str, Any]:
    """One request for a judge."""
    return {"judges": [judge], "input": "Which fund?", "output": output, "deadline_ms": DEADLINE_MS}


def text(number: int, sentences: int) -> str:
    """A text of some 10 + 24 tokens a sentence, no two alike."""
    return f"Case {number}. {SENTENCE * sentences}"


def decided(url: str, seconds: float, load: Callable[[], Found]) -> tuple[float, Found]:
    """The verdicts of the judge itself a second, as the server counts them in the middle of a load."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(load)
        time.sleep(SETTLE_S)
        before, began = verdicts_given(url), time.perf_counter()
        time.sleep(max(seconds - 2 * SETTLE_S, 0.5))
        rate = (verdicts_given(url) - before) / (time.perf_counter() - began)
        return rate, running.result()


def verdicts_given(url: str) -> float:
    """How many verdicts the judge itself decided; those of fallbacks do not count."""
    return sum(map(float, VERDICTS.findall(httpx.get(f"{url}/metrics").text)))


def histogram_median_ms(url: str, name: str) -> float:
    """The median of a Prometheus histogram, linear within its bucket."""
    page = httpx.get(f"{url}/metrics").text
    buckets = [
        (float(edge), float(count))
        for edge, count in re.findall(rf'^{name}_bucket{{le="([0-9.]+|\+Inf)"}} (\S+)$', page, re.M)
    ]
    half = buckets[-1][1] / 2
    low_s = low_count = 0.0
    for edge_s, count in buckets:
        if count >= half:
            return round((low_s + (edge_s - low_s) * (half - low_count) / max(count - low_count, 1)) * 1e3, 3)
        low_s, low_count = edge_s, count
    return float("inf")


if __name__ == "__main__":
    main()
