"""Retention: deletes verdicts, finished events, deliveries and kept answers when they are old enough; and with such a
verdict the text that went to people, unless somebody labelled it.
"""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from assay.schema.errors import AssayError
from assay.store import answers, awaiting, deliveries, events, verdicts
from assay.store.database import Database

EVERY_S = 3600.0
FORGETTING = (verdicts.forget_before, awaiting.forget_before, events.forget_before, deliveries.forget_before)
ANSWERS_DAYS = 1  # how long an Idempotency-Key holds

_log = logging.getLogger(__name__)


class Retention:
    """Deletes what is older than so many days."""

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._days = days

    async def run(self) -> None:
        """Look every hour, for ever."""
        while True:
            try:
                await asyncio.to_thread(self.step, datetime.now(UTC))
            except AssayError as error:
                _log.warning("nothing old was deleted", extra={"problem": error.problem})
            await asyncio.sleep(EVERY_S)

    def step(self, now: datetime) -> int:
        """Delete what is too old at this time. Returns how many rows."""
        old, older = (_before(now, days) for days in (ANSWERS_DAYS, self._days))
        with self._database.begin() as connection:
            gone = [answers.forget_before(connection, old)]
            gone += [forget(connection, older) for forget in FORGETTING]
        with self._database.begin() as connection:  # by itself: it waits for an import that is writing
            gone.append(awaiting.forget_texts_before(connection, older))
        return sum(gone)


def _before(now: datetime, days: int) -> str:
    return (now - timedelta(days=days)).isoformat(timespec="microseconds")
