"""Serving the labelling page alone, until it is stopped."""

import errno
import socket
from collections.abc import Callable

import uvicorn

from assay.schema.errors import InputError
from assay.server.labelling.app import MOUNTED_AT, standalone_app
from assay.store.database import Database

LOOPBACK = "127.0.0.1"


def serve(database: Database, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted. `port` 0 takes a free one; `on_ready` hears the address once connections are taken.

    Raises InputError (a host or port that cannot be had).
    """
    bound = _bound(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}{MOUNTED_AT}/"
    config = uvicorn.Config(
        standalone_app(database), log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
    on_ready(address)
    with bound:
        uvicorn.Server(config).run(sockets=[bound])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)  # from here on a browser waits rather than being turned away
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        raise InputError(
            f"The page cannot be served at {host}, port {port}.",
            required="an address of this machine and a free port",
            got="another program has this port" if taken else str(error),
            next_step="give another one: --port 0 takes any that is free",
        ) from None
    return bound
