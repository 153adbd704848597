"""A server of events as a process of its own: `python served_events.py WORKSPACE PORT [DELAY_S]`.

It serves what is there, so that a test can kill it at any moment and start another one. Its judges read the digest of
the text, after DELAY_S, for a model takes seconds to load.
"""

import asyncio
import hashlib
import socket
import sys
from pathlib import Path
from typing import Any

import uvicorn

from assay.config import read_settings
from assay.schema.criterion import Criterion
from assay.schema.example import Example
from assay.schema.judge_version import JudgeVersion
from assay.schema.verdict import Decided, Verdict
from assay.server.app import server_app
from assay.server.running import serving_of


class DigestJudge:
    """Its answer is a function of the text, given after `delay_s`."""

    delay_s = 0.0

    def __init__(self, version: JudgeVersion, folder: Path) -> None:
        self.version, self.folder = version, folder

    @property
    def id(self) -> str:
        return self.version.id

    @property
    def criterion(self) -> Criterion:
        return self.version.criterion

    async def judge_async(self, example: Example, **_: Any) -> Verdict:
        await asyncio.sleep(self.delay_s)
        first = hashlib.sha256(example.text().encode()).digest()[0] / 255
        both = {"yes": first, "no": 1 - first}
        label = max(both, key=lambda name: both[name])
        return Decided(
            label=label, probability=both[label], probabilities=both, scores=both, judge=self.id, latency_ms=0.0
        )


async def serve(root: Path, port: int) -> None:
    with socket.socket() as listening, serving_of(read_settings(root), small=DigestJudge, open_access=True) as serving:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        async with serving.at_work():
            listening.listen()
            config = uvicorn.Config(server_app(serving), lifespan="off", log_level="error", access_log=False)
            await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    DigestJudge.delay_s = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
