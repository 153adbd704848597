"""A server of events on the test engine, as a process of its own: `python served_events.py WORKSPACE PORT`.

It serves what is there, so that a test can kill it at any moment and start another one.
"""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from assay.config import read_settings
from assay.server.app import server_app
from assay.server.running import serving_of
from assay.testing_engine import TestEngine


async def serve(root: Path, port: int) -> None:
    engine = TestEngine()
    with (
        socket.socket() as listening,
        serving_of(read_settings(root), make_engine=lambda _: engine, open_access=True) as serving,
    ):
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        async with serving.at_work():
            listening.listen()
            config = uvicorn.Config(server_app(serving), lifespan="off", log_level="error", access_log=False)
            await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
