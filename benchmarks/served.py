"""A server as a process of its own, for benchmarks: `python benchmarks/served.py WORKSPACE PORT test|real|one`.

`Server` starts it, waits until it is ready, and kills or stops it. With `test` the engine has no model, so that what is
measured is the server itself; with `one` it runs one request a pass, so that what batches bring can be told.
"""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx
import uvicorn
import uvloop

from assay.config import read_settings
from assay.inference.engine import Engine
from assay.schema.judge_version import JudgeVersion
from assay.server.app import server_app
from assay.server.running import serving_of
from assay.testing_engine import TestEngine

READY_S = 120.0


class Server:
    """A serving process over a workspace. Use it in a `with` statement."""

    def __init__(self, workspace: Path, engine: str, port: int | None = None) -> None:
        self._workspace, self._engine = workspace, engine
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes]

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        arguments = [sys.executable, __file__, str(self._workspace), str(self.port), self._engine]
        self._process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=1).is_success:
                    return self
            except httpx.HTTPError:
                time.sleep(0.02)
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}")
        raise TimeoutError("the server did not get ready")

    def kill(self) -> None:
        """Kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Let it end."""
        self._process.terminate()
        self._process.wait(30)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def serve(workspace: Path, port: int, engine: str) -> None:
    make_engine = {"real": None, "test": lambda _: TestEngine(), "one": one_a_pass}[engine]
    with (
        socket.socket() as listening,
        serving_of(read_settings(workspace), make_engine=make_engine, open_access=True) as serving,
    ):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        async with serving.at_work():
            listening.listen(2048)
            config = uvicorn.Config(
                server_app(serving), lifespan="off", log_level="error", access_log=False, server_header=False
            )
            await uvicorn.Server(config).serve(sockets=[listening])


def one_a_pass(version: JudgeVersion) -> Engine:
    from assay.inference.factory import COPY_BYTES  # noqa: PLC0415 - torch, where there is a model
    from assay.inference.local_engine import LocalEngine  # noqa: PLC0415
    from assay.inference.torch.runner import TorchRunner  # noqa: PLC0415

    del version
    return LocalEngine(TorchRunner(copy_bytes=COPY_BYTES), token_budget=1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
