"""Late answers: what requests with an Idempotency-Key came to, where the database did not take it at once.

    await late_answers.keep(outcome)        # stored when it returns, or it will be as soon as that is possible
    await late_answers.settled(key)         # nothing of this key waits any more

A verdict that was given is not taken away because its answer cannot be stored. Few outcomes can wait, for a request
with a key begins with the database. A process that dies with one leaves its key to STALE_AFTER.
"""

import asyncio
import logging
from dataclasses import dataclass

from assay.schema.errors import AssayError
from assay.store import answers
from assay.store.answers import Answer
from assay.store.database import Database

PATIENCE_S = 1.0  # which a caller waits for the database
RETRY_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the request that claimed a key as `owner` came to; without an answer the key is free again."""

    key: str
    owner: str
    answer: Answer | None


class LateAnswers:
    """Stores the outcomes of requests, now or later."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, Outcome] = {}

    async def keep(self, outcome: Outcome) -> None:
        """Store an outcome, later where that fails or takes too long; whatever happens, the caller has its answer."""
        self._waiting[outcome.key] = outcome
        try:
            await asyncio.wait_for(self._store(outcome), PATIENCE_S)
        except Exception as error:
            problem = error.problem if isinstance(error, AssayError) else type(error).__name__
            _log.warning("the answer of an Idempotency-Key is stored later", extra={"problem": problem})

    async def settled(self, key: str) -> None:
        """Store what still waits for this key. Raises AssayError where the database does not take it yet either."""
        if key in self._waiting:
            await self._store(self._waiting[key])

    async def run(self) -> None:
        """Store what waits, for ever. Raises AssayError when the database does not take it."""
        while True:
            await asyncio.sleep(RETRY_S)
            await self.step()

    async def step(self) -> None:
        """Store what waits. Raises AssayError."""
        for outcome in tuple(self._waiting.values()):
            await self._store(outcome)

    async def close(self) -> None:
        """Try once more."""
        try:
            await self.step()
        except AssayError as error:
            _log.warning(
                "answers were not stored; requests that come again under their keys are judged again",
                extra={"waiting": len(self._waiting), "problem": error.problem},
            )

    async def _store(self, outcome: Outcome) -> None:
        await asyncio.to_thread(self._write, outcome)
        if self._waiting.get(outcome.key) is outcome:
            del self._waiting[outcome.key]

    def _write(self, outcome: Outcome) -> None:
        with self._database.begin() as connection:
            if outcome.answer is None:
                answers.abandon(connection, outcome.key, owner=outcome.owner)
            else:
                answers.finish(connection, outcome.key, outcome.answer, owner=outcome.owner)
