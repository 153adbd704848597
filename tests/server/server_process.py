"""A server as a process of its own, for tests that kill it: `served_events.py` on a free port of loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

SERVER = Path(__file__).with_name("served_events.py")
READY_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """Started at once and ready when that returns; `delay_s` is what each verdict takes."""

    def __init__(self, root: Path, delay_s: float = 0.0) -> None:
        self.root, self.delay_s, self.port = root, delay_s, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self.root), str(self.port), str(self.delay_s)]
        self.process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/readyz").is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.05)
        raise AssertionError("the server did not get ready")

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """Kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
