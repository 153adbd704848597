"""A vLLM server for benchmarks and tests: found, started, tuned for the CPU, waited for, and always stopped.

    with serve(folder, lora=True, max_loras=8, dtype="bfloat16") as base_url:
        load_adapter(base_url, "judge-1", adapter_folder)
        verdicts_per_second(base_url, [Wanted(model="judge-1", ids=ids, label_tokens=(5, 9)), …])

vLLM lives in an environment of its own (`make vllm`): the folder .vllm-venv of the project, or the interpreter named by
ASSAY_VLLM_PYTHON. The tuning is that of its CPU guide: threads bound to cores, a key/value cache of a fixed size, and
tcmalloc and libiomp preloaded where they are installed.
"""

import asyncio
import contextlib
import ctypes.util
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

PYTHON_VARIABLE = "ASSAY_VLLM_PYTHON"
ROOT = Path(__file__).resolve().parents[1]
START_S = 240.0
ANSWER_S = 1800.0  # all requests are asked at once, and the last one waits for the others
STOP_S = 20.0
_LOG_CHARS = 3000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One verdict wanted: the adapter or base model by its served name, a row of token ids, the label tokens."""

    model: str
    ids: Sequence[int]
    label_tokens: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What a run took, and the scores that came, each (k,) raw log-probabilities in the order of the requests."""

    verdicts_per_s: float
    seconds: float
    log_probabilities: tuple[tuple[float, ...], ...]


def vllm_python() -> Path | None:
    """The interpreter of vLLM's environment, None where there is none."""
    named = os.environ.get(PYTHON_VARIABLE)
    python = Path(named) if named else ROOT / ".vllm-venv" / "bin" / "python"
    installed = python.exists() and any(python.parent.parent.glob("lib/python*/site-packages/vllm/__init__.py"))
    return python if installed else None


def why_no_vllm() -> str:
    """The reason of a skip or of a null."""
    return f"no vLLM environment: make vllm, or name its interpreter in {PYTHON_VARIABLE}"


@contextlib.contextmanager
def serve(
    model: Path,
    *,
    lora: bool = False,
    max_loras: int = 1,
    dtype: Literal["float32", "bfloat16"] = "bfloat16",
    threads: int | None = None,
    options: Sequence[str] = (),
) -> Iterator[str]:
    """The base address of a running server, stopped at the end with everything that it started.

    Prefix caching is on. `threads` None takes one a core and binds them; a number leaves them unbound. Adapters need
    eager mode; without them the model is compiled unless `options` say `--enforce-eager`. Raises RuntimeError with the
    end of the log where it does not come up.
    """
    python = vllm_python()
    if python is None:
        raise RuntimeError(why_no_vllm())
    port = _free_port()
    words = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--dtype", dtype]
    words += ["--host", "127.0.0.1", "--port", str(port), "--generation-config", "vllm", "--enable-prefix-caching"]
    words += ["--enable-prompt-tokens-details", "--disable-uvicorn-access-log"]
    if lora:
        words += ["--enforce-eager", "--enable-lora", "--max-loras", str(max_loras), "--max-lora-rank", "64"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*words, *options], env=_environment(python, threads), stdout=log, stderr=log, start_new_session=True
        )
        try:
            base_url = f"http://127.0.0.1:{port}"
            if not _came_up(base_url, process):
                raise RuntimeError(f"vLLM did not come up in {START_S:g} s:\n{_end_of(log)}")
            yield base_url
        finally:
            _stop(process)


def load_adapter(base_url: str, name: str, folder: Path) -> None:
    """Load an adapter into a server that was started with `lora`."""
    body = {"lora_name": name, "lora_path": str(folder.resolve())}
    httpx.post(f"{base_url}/v1/load_lora_adapter", json=body, timeout=START_S, trust_env=False).raise_for_status()


def base_model(base_url: str) -> str:
    """The name under which a server serves its base model."""
    answer = httpx.get(f"{base_url}/v1/models", timeout=START_S, trust_env=False).raise_for_status().json()
    return str(next(card["id"] for card in answer["data"] if card["parent"] is None))


def verdicts_per_second(
    base_url: str, wanted: Sequence[Wanted], *, warm: Sequence[Wanted] = (), in_flight: int = 64
) -> Speed:
    """All requests at once, `in_flight` of them with the server. `warm` are asked before, unmeasured.

    What `warm` leaves in the prefix cache stays there: give it requests that share what should be shared (the
    instructions), and texts of their own.
    """
    return asyncio.run(_measured(base_url, wanted, warm, in_flight))


async def _measured(base_url: str, wanted: Sequence[Wanted], warm: Sequence[Wanted], in_flight: int) -> Speed:
    places = asyncio.Semaphore(in_flight)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=in_flight)
    async with httpx.AsyncClient(base_url=base_url, timeout=ANSWER_S, limits=limits, trust_env=False) as client:

        async def ask(one: Wanted) -> tuple[float, ...]:
            async with places:
                answer = (await client.post("/v1/completions", json=_body(one))).raise_for_status().json()
            given = answer["choices"][0]["logprobs"]["top_logprobs"][0]
            return tuple(given[f"token_id:{token}"] for token in one.label_tokens)

        await asyncio.gather(*(ask(one) for one in warm))
        started = time.perf_counter()
        found = await asyncio.gather(*(ask(one) for one in wanted))
        seconds = time.perf_counter() - started
    return Speed(verdicts_per_s=len(wanted) / seconds, seconds=seconds, log_probabilities=tuple(found))


def _body(one: Wanted) -> Mapping[str, Any]:
    return {
        "model": one.model,
        "prompt": list(one.ids),
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": len(one.label_tokens),
        "logprob_token_ids": list(one.label_tokens),
        "return_tokens_as_token_ids": True,
    }


def _environment(python: Path, threads: int | None) -> dict[str, str]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    values = {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, cores)) if threads is None else "nobind",
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    if threads is None:
        values.pop("OMP_NUM_THREADS", None)
    else:
        values["OMP_NUM_THREADS"] = str(threads)
    if found := preloaded(python):
        values["LD_PRELOAD"] = ":".join(found)
    return values


def preloaded(python: Path) -> list[str]:
    """The allocator and the OpenMP that the CPU guide asks for, as far as they are here."""
    openmp = sorted(str(path) for path in python.parent.parent.glob("lib/libiomp5.so"))
    allocator = ctypes.util.find_library("tcmalloc_minimal") or ctypes.util.find_library("tcmalloc")
    beside = sorted(str(path) for path in python.parent.parent.glob("lib/libtcmalloc*.so*"))
    return [*(beside[:1] or ([allocator] if allocator else [])), *openmp]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _came_up(base_url: str, process: subprocess.Popen[bytes]) -> bool:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{base_url}/health", timeout=2, trust_env=False).is_success:
                return True
        time.sleep(0.5)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The server is a tree of processes in a session of its own."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    process.wait()


def _end_of(log: Any) -> str:
    log.seek(0)
    text: str = log.read().decode(errors="replace")
    return text[-_LOG_CHARS:]
