"""Intake: accepts events. When `accept` returns, they are in the database and will be judged.

Events that come together are written in one transaction: on SQLite writers wait for one another, and each transaction
waits for the disk. Belongs to one event loop.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from assay.schema.errors import ConflictError
from assay.store import events
from assay.store.database import Database
from assay.store.events import Event

BATCH_EVENTS = 500


class Intake:
    """Writes events into the queue. `accepted` is called when some were."""

    def __init__(self, database: Database, accepted: Callable[[], None]) -> None:
        self._database = database
        self._accepted = accepted
        self._arrived: asyncio.Queue[tuple[list[Event], asyncio.Future[None]]] = asyncio.Queue()

    async def accept(self, new: list[Event]) -> None:
        """Accept events, all of them or none. Raises ConflictError (an id that stands for another), AssayError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.put_nowait((new, done))
        await done

    async def run(self) -> None:
        """Write what arrives, for ever."""
        while True:
            together = [await self._arrived.get()]
            while not self._arrived.empty() and sum(len(new) for new, _ in together) < BATCH_EVENTS:
                together.append(self._arrived.get_nowait())
            try:
                await asyncio.to_thread(self._write, [event for new, _ in together for event in new])
            except ConflictError:
                await self._one_by_one(together)
            except Exception as error:
                for _, done in together:
                    _end(done, error)
            else:
                for _, done in together:
                    _end(done, None)
            self._accepted()

    async def _one_by_one(self, together: list[tuple[list[Event], asyncio.Future[None]]]) -> None:
        """One of them is refused: find out which, the others are accepted."""
        for new, done in together:
            try:
                await asyncio.to_thread(self._write, new)
            except Exception as error:
                _end(done, error)
            else:
                _end(done, None)

    def _write(self, new: list[Event]) -> None:
        with self._database.begin() as connection:
            events.add(connection, new)


def _end(done: "asyncio.Future[None]", error: Exception | None) -> None:
    with suppress(asyncio.InvalidStateError):  # the caller is gone
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
