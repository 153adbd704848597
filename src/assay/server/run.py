"""Running a server until it is stopped: `assay serve`."""

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn
import uvloop

from assay.config import Settings
from assay.schema.errors import InputError, RefusedError, shown
from assay.server.access import is_loopback
from assay.server.app import server_app
from assay.server.logs import log_to_stderr
from assay.server.running import serving_of
from assay.store import keys
from assay.store.database import open_database

BACKLOG = 2048
GRACE_S = 10  # that requests in flight have when the server is stopped


def run_server(settings: Settings, *, host: str, port: int, version: str, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; what is in flight is answered first. `started` hears the address.

    Raises RefusedError (an address that others can reach, and no API key), InputError (the address), AssayError.
    """
    is_open = host == "localhost" or is_loopback(host)
    if not is_open:
        _refuse_without_keys(settings, host)
    log_to_stderr()
    listening = _bound(host, port)
    with listening, serving_of(settings, open_access=is_open) as serving:
        app = server_app(serving, version)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE_S,
            server_header=False,
            lifespan="off",  # the work is begun below, where a refusal reaches the user
            h11_max_incomplete_event_size=1 << 16,
        )
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them anew when it has ended; here that is all
            signal.signal(number, lambda *_: None)
        shown_host = f"[{host}]" if ":" in host else host
        address = f"http://{shown_host}:{listening.getsockname()[1]}"

        async def serve() -> None:
            async with serving.at_work():
                listening.listen(BACKLOG)
                started(address)
                await uvicorn.Server(config).serve(sockets=[listening])

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.set_inheritable(True)
    except OSError as error:
        raise InputError(
            f"The server cannot listen on {shown(f'{host}:{port}')}.",
            required="a free port of an address of this machine",
            got=error.strerror or str(error),
            next_step="choose another one with --port",
        ) from None
    return listening


def _refuse_without_keys(settings: Settings, host: str) -> None:
    settings.data.mkdir(exist_ok=True)
    database = open_database(settings.database_url)
    try:
        with database.read() as connection:
            known = keys.every(connection)
    finally:
        database.close()
    if not known:
        raise RefusedError(
            f"Others can reach {shown(host)}, and there is no API key.",
            required="at least one key, or a loopback address",
            next_step="make one: assay keys add NAME --scope judge",
        )
