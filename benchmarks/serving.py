"""What serving costs and gives, measured with wrk (Debian: apt-get install wrk), a load generator that is not ours.

    python benchmarks/serving.py --workspace assay-demo

Needs a workspace whose judge is `advice@candidate` (`assay demo` makes one). With the engine without a model: the
service's own time (`overhead_p50_ms`) and the requests a second (`test_engine_rps`). With the real judge, on a text of
about 128 tokens: latency at half of the sustainable load, and what is left of the throughput far above it
(`overload_goodput_share`). The last line is one JSON object. Everything runs on this machine; `generator_cpu_share` is
the part of its two cores that wrk took.
"""

import argparse
import json
import re
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx

from served import Server

JUDGE = "advice@candidate"
SHORT = {"judges": [JUDGE], "input": "Which fund?", "output": "Buy the Apex fund now."}
SENTENCE = "You could put a part of your savings into a bond fund and keep the rest where you can reach it. "
LONG = {"judges": [JUDGE], "input": "What should I do with my savings?", "output": SENTENCE * 5}
LUA = """wrk.method = "POST"
wrk.body = %s
wrk.headers["Content-Type"] = "application/json"
threads = {}
function setup(thread) table.insert(threads, thread) end
function init() answered, refused, other = 0, 0, 0 end
function response(status)
  if status == 200 then answered = answered + 1
  elseif status == 429 then refused = refused + 1
  else other = other + 1 end
end
function done(summary, latency)
  local sums = {0, 0, 0}
  for _, thread in ipairs(threads) do
    sums[1] = sums[1] + thread:get("answered")
    sums[2] = sums[2] + thread:get("refused")
    sums[3] = sums[3] + thread:get("other")
  end
  print(string.format("FOUND %%f %%f %%f %%d %%d %%d", summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, sums[1], sums[2], sums[3]))
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, default=Path("assay-demo"))
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--only-test-engine", action="store_true")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "workspace"
        shutil.copytree(given.workspace, workspace)
        found = test_engine(workspace, given.seconds)
        if not given.only_test_engine:
            found |= real_judge(workspace, given.seconds)
    print(json.dumps(found))


def test_engine(workspace: Path, seconds: int) -> dict[str, Any]:
    """The server alone: one client for its own time, sixteen for its throughput."""
    with Server(workspace, "test") as server:
        load(server.url, SHORT, connections=1, seconds=2)
        alone = load(server.url, SHORT, connections=1, seconds=seconds)
        overhead_ms = histogram_median_ms(server.url, "assay_overhead_seconds")
        many = load(server.url, SHORT, connections=16, seconds=seconds)
    return {
        "overhead_p50_ms": overhead_ms,
        "http_p50_ms_one_client": alone["p50_ms"],
        "test_engine_rps": round(many["rps"]),
        "test_engine_p99_ms": many["p99_ms"],
        "generator_cpu_share": round(many["generator_cpu_share"], 3),
    }


def real_judge(workspace: Path, seconds: int) -> dict[str, Any]:
    """The judge itself: how much it can, how fast it is at half of that, what is left at twice that."""
    with Server(workspace, "real") as server:
        load(server.url, LONG, connections=2, seconds=3)
        by_connections = {count: load(server.url, LONG, connections=count, seconds=seconds) for count in (1, 4, 16)}
        peak = max(one["rps"] for one in by_connections.values())
        half = at_rate(server.url, LONG, peak / 2, seconds)
        over = load(server.url, LONG, connections=256, seconds=seconds)
    return {
        "sustainable_rps": round(peak, 1),
        "one_client_rps": round(by_connections[1]["rps"], 1),
        "p50_ms": half["p50_ms"],
        "p99_ms": half["p99_ms"],
        "half_load_rps": round(half["rps"], 1),
        "overload_goodput_share": round(over["rps"] / peak, 3),
        "overload_refused": over["refused"],
        "overload_p99_ms": over["p99_ms"],
        "batching_gain_encoder": round(peak / by_connections[1]["rps"], 2),
    }


def load(url: str, body: dict[str, Any], *, connections: int, seconds: int) -> dict[str, Any]:
    """A closed loop of so many connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % json.dumps(json.dumps(body)))
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout",
            "5s",
            "-s",
            script.name,
            f"{url}/v1/judge",
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    match = re.search(r"FOUND (\S+) (\S+) (\S+) (\d+) (\d+) (\d+)", out)
    if match is None:
        raise RuntimeError(out)
    took_s, p50_ms, p99_ms = (float(match[place]) for place in (1, 2, 3))
    answered, refused, other = (int(match[place]) for place in (4, 5, 6))
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rps": answered / took_s,
        "p50_ms": round(p50_ms, 2),
        "p99_ms": round(p99_ms, 2),
        "refused": refused,
        "other": other,
        "generator_cpu_share": cpu_s / took_s / 2,
    }


def at_rate(url: str, body: dict[str, Any], rate: float, seconds: int) -> dict[str, Any]:
    """An open loop: hey sends at a fixed rate, whatever comes back."""
    per_worker, workers = max(rate / 8, 0.5), 8
    command = [
        "hey", "-z", f"{seconds}s", "-c", str(workers), "-q", f"{per_worker:.2f}", "-m", "POST",
        "-T", "application/json", "-d", json.dumps(body), "-o", "csv", f"{url}/v1/judge",
    ]  # fmt: skip
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    times_ms = sorted(float(line.split(",")[0]) * 1e3 for line in out.splitlines()[1:] if line.split(",")[6] == "200")
    return {
        "rps": len(times_ms) / seconds,
        "p50_ms": round(times_ms[len(times_ms) // 2], 2),
        "p99_ms": round(times_ms[int(len(times_ms) * 0.99)], 2),
    }


def histogram_median_ms(url: str, name: str) -> float:
    """The median of a Prometheus histogram, linear within its bucket."""
    text = httpx.get(f"{url}/metrics").text
    buckets = [
        (float(edge), float(count))
        for edge, count in re.findall(rf'^{name}_bucket{{le="([0-9.]+|\+Inf)"}} (\S+)$', text, re.M)
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
