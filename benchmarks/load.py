"""Load from wrk (in Debian), a generator that is not ours: closed loops and fixed rates.

    found = closed_loop(url, bodies, connections=16, seconds=8)             # each sends as soon as it was answered
    found = at_rate(url, bodies, rate=80, connections=48, seconds=8)        # so many a second, whatever comes back

Every request in flight has a text of its own: the engine computes equal texts in one pass once, and one body for all
would measure that. At a fixed rate each connection takes the next free moment of one schedule once it was answered
(Lua in wrk's one thread), so the rate holds while not all of them wait for answers.
"""

import json
import re
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CORES = 2
LUA = """local ffi = require("ffi")
ffi.cdef[[
typedef struct { long s; long ns; } assay_time;
int clock_gettime(int clock, assay_time *found);
]]
local found = ffi.new("assay_time")
local function now()
  ffi.C.clock_gettime(1, found)
  return tonumber(found.s) + tonumber(found.ns) / 1e9
end
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
bodies = {%(bodies)s}
rate = %(rate)s
place = 0
threads = {}
function setup(thread) table.insert(threads, thread) end
function init() answered, refused, other, times, sent = 0, 0, 0, "", {} end
function request()
  place = place + 1
  local id = "load-" .. place
  sent[id] = now()
  return wrk.format(nil, nil, {["Content-Type"] = "application/json", ["X-Request-Id"] = id},
    bodies[(place - 1) %% #bodies + 1])
end
if rate > 0 then
  local moment
  function delay()
    moment = math.max((moment or now()) + 1 / rate, now() - 1)
    return math.max(math.floor((moment - now()) * 1000 + 0.5), 0)
  end
end
local waited = {}
function response(status, headers)
  local id = headers["x-request-id"] or headers["X-Request-Id"]
  if status == 200 then
    answered = answered + 1
    if id and sent[id] then
      table.insert(waited, string.format("%%.2f", (now() - sent[id]) * 1000))
      if #waited == 100 then times, waited = times .. table.concat(waited, ",") .. ",", {} end
    end
  elseif status == 429 then refused = refused + 1
  else other = other + 1 end
  if id then sent[id] = nil end
  last = table.concat(waited, ",")
end
function done(summary, latency)
  local sums, all = {0, 0, 0}, ""
  for _, thread in ipairs(threads) do
    sums[1] = sums[1] + thread:get("answered")
    sums[2] = sums[2] + thread:get("refused")
    sums[3] = sums[3] + thread:get("other")
    all = all .. thread:get("times") .. (thread:get("last") or "")
  end
  print(string.format("FOUND %%f %%d %%d %%d", summary.duration / 1e6, sums[1], sums[2], sums[3]))
  print("TIMES " .. all)
end
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of a load. `times_ms` are those of answers with status 200, ascending."""

    rps: float  # answers with status 200 a second
    p50_ms: float
    p99_ms: float
    refused: int
    other: int
    generator_cpu_share: float  # of this machine's cores
    times_ms: tuple[float, ...]

    @property
    def sent(self) -> int:
        """All that were answered."""
        return len(self.times_ms) + self.refused + self.other


def closed_loop(url: str, bodies: Sequence[dict[str, Any]], *, connections: int, seconds: int) -> Found:
    """So many connections, each with one request in flight."""
    return _run(url, bodies, connections=connections, seconds=seconds, rate=0.0)


def at_rate(url: str, bodies: Sequence[dict[str, Any]], *, rate: float, connections: int, seconds: int) -> Found:
    """A fixed rate, over connections enough that some are always free."""
    return _run(url, bodies, connections=connections, seconds=seconds, rate=rate)


def _run(url: str, bodies: Sequence[dict[str, Any]], *, connections: int, seconds: int, rate: float) -> Found:
    texts = ", ".join(json.dumps(json.dumps(body)) for body in bodies)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % {"bodies": texts, "rate": rate})
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", "-s", script.name]
        before = _children_cpu_s()
        out = subprocess.run([*command, f"{url}/v1/judge"], capture_output=True, text=True, check=True).stdout
        cpu_s = _children_cpu_s() - before
    match = re.search(r"FOUND (\S+) (\d+) (\d+) (\d+)\nTIMES ([\d.,]+)", out)
    if match is None:
        raise RuntimeError(f"wrk had no answer with status 200: {out}")
    took_s = float(match[1])
    times_ms = sorted(float(time_ms) for time_ms in match[5].split(",") if time_ms)
    return Found(
        rps=int(match[2]) / took_s,
        p50_ms=times_ms[len(times_ms) // 2],
        p99_ms=times_ms[int(len(times_ms) * 0.99)],
        refused=int(match[3]),
        other=int(match[4]),
        generator_cpu_share=cpu_s / took_s / CORES,
        times_ms=tuple(times_ms),
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
