"""Work that goes on whatever one round of it came to."""

import asyncio

from assay.schema.errors import AssayError
from assay.serving.endless import endless


def test_work_that_breaks_begins_anew_until_it_is_cancelled(caplog):
    rounds = []

    async def work():
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise ValueError("a mistake of ours")
        if len(rounds) == 2:
            raise AssayError("The database is away.")
        await asyncio.Event().wait()

    async def run():
        task = asyncio.create_task(endless("worker", work, pause_s=0.0))
        while len(rounds) < 3:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(run())
    assert [record.message for record in caplog.records] == [
        "work broke, and begins anew",
        "work was interrupted",
    ]
