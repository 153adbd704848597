"""Endless: work of a server that must go on whatever befalls it, such as a database that is away or a mistake of ours.

asyncio.create_task(endless("worker", worker.run))
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from assay.schema.errors import AssayError

PAUSE_S = 0.5
CANCEL_AGAIN_S = 1.0

_log = logging.getLogger(__name__)


async def endless(name: str, work: Callable[[], Awaitable[None]], pause_s: float = PAUSE_S) -> None:
    """Do it again after a pause whenever it ends, until the task is cancelled."""
    while True:
        try:
            await work()
        except AssayError as error:
            _log.warning("work was interrupted", extra={"work": name, "problem": error.problem})
        except Exception:
            _log.exception("work broke, and begins anew", extra={"work": name})
        await asyncio.sleep(pause_s)


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a cancellation can be lost in what a task was just waiting for."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
