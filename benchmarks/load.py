"""Load from generators that are not ours: wrk for closed loops, hey for fixed rates (both in Debian).

    found = closed_loop(url, bodies, connections=16, seconds=8)     # each connection sends as soon as it was answered
    found = at_rate(url, bodies, rate=80, seconds=8)                # so many a second, whatever comes back

Every request in flight has a text of its own: the engine computes equal texts in one pass once, and one body for all
would measure that. wrk takes its bodies in turn; hey has one body a process, so there is a process for each worker.
"""

import json
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORES = 2
HEY_TIME, HEY_STATUS = 0, 6  # columns of its CSV
LUA = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
bodies = {%s}
place = 0
threads = {}
function setup(thread) table.insert(threads, thread) end
function init() answered, refused, other = 0, 0, 0 end
function request()
  place = place %% #bodies + 1
  return wrk.format(nil, nil, nil, bodies[place])
end
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


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a load. `times_ms` are those of answers with status 200, ascending, where the generator has them."""

    rps: float  # answers with status 200 a second
    p50_ms: float
    p99_ms: float
    refused: int
    other: int
    generator_cpu_share: float  # of this machine's cores
    times_ms: tuple[float, ...] = ()

    def late_share(self, deadline_ms: float, tolerance_ms: float) -> float:
        """The share of accepted requests that were answered later than their deadline and the tolerance."""
        late = sum(time_ms > deadline_ms + tolerance_ms for time_ms in self.times_ms)
        return late / max(len(self.times_ms), 1)


def closed_loop(url: str, bodies: Sequence[dict[str, Any]], *, connections: int, seconds: int) -> Found:
    """So many connections, each with one request in flight."""
    texts = ", ".join(json.dumps(json.dumps(body)) for body in bodies)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % texts)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script.name]
        before = _children_cpu_s()
        out = subprocess.run([*command, f"{url}/v1/judge"], capture_output=True, text=True, check=True).stdout
        cpu_s = _children_cpu_s() - before
    match = re.search(r"FOUND (\S+) (\S+) (\S+) (\d+) (\d+) (\d+)", out)
    if match is None:
        raise RuntimeError(out)
    took_s = float(match[1])
    return Found(
        rps=int(match[4]) / took_s,
        p50_ms=round(float(match[2]), 2),
        p99_ms=round(float(match[3]), 2),
        refused=int(match[5]),
        other=int(match[6]),
        generator_cpu_share=cpu_s / took_s / CORES,
    )


def at_rate(url: str, bodies: Sequence[dict[str, Any]], *, rate: float, seconds: int) -> Found:
    """A fixed rate over as many workers as there are bodies."""
    with tempfile.TemporaryDirectory() as folder:
        before = _children_cpu_s()
        started = []
        for number, body in enumerate(bodies):
            file = Path(folder) / f"{number}.json"
            file.write_text(json.dumps(body))
            command = [
                "hey", "-z", f"{seconds}s", "-c", "1", "-q", f"{rate / len(bodies):.4f}", "-m", "POST",
                "-T", "application/json", "-D", str(file), "-o", "csv", f"{url}/v1/judge",
            ]  # fmt: skip
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            time.sleep(1 / rate)  # each sends at once and then by its own clock: together they would come in bursts
        lines = [line.split(",") for one in started for line in one.communicate()[0].splitlines()[1:]]
        cpu_s = _children_cpu_s() - before
    statuses = [line[HEY_STATUS] for line in lines]
    times_ms = sorted(float(line[HEY_TIME]) * 1e3 for line in lines if line[HEY_STATUS] == "200")
    if not times_ms:
        raise RuntimeError(f"no request was answered with 200: {statuses[:20]}")
    return Found(
        rps=len(times_ms) / seconds,
        p50_ms=round(times_ms[len(times_ms) // 2], 2),
        p99_ms=round(times_ms[int(len(times_ms) * 0.99)], 2),
        refused=statuses.count("429"),
        other=len(statuses) - statuses.count("429") - len(times_ms),
        generator_cpu_share=cpu_s / seconds / CORES,
        times_ms=tuple(times_ms),
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
