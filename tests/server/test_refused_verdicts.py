"""A database that refuses a server's verdicts for a while: they are answered, kept aside, and brought back."""

import asyncio

import pytest
from sqlalchemy import text

from assay import Workspace

pytestmark = pytest.mark.anyio
CHAMPIONS = "BEFORE INSERT ON verdicts WHEN NEW.role = 'champion'"


def execute(database, statement):
    with database.begin() as connection:
        connection.execute(text(statement))


def recovered(shop):
    with Workspace.open(shop.root) as here:
        return here.recover_verdicts()


def refused(shop):
    with Workspace.open(shop.root) as here:
        return here.refused_verdicts()


async def test_a_running_server_finds_what_was_brought_back(shop, asked):
    version = shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        execute(serving.database, f"CREATE TRIGGER choosy {CHAMPIONS} BEGIN SELECT RAISE(ABORT, 'no'); END")
        answers = [await client.post("/v1/judge", json=asked(f"buy {number}")) for number in range(3)]
        by_id = await client.post("/v1/judge", json=asked(judge=version))  # its role is `asked`: it is taken
        assert await serving.recorder.settled()
        metrics = (await client.get("/metrics")).text
        before = (await client.get("/v1/verdicts")).json()["verdicts"]
        summary = await asyncio.to_thread(refused, shop)
        still = await asyncio.to_thread(recovered, shop)
        execute(serving.database, "DROP TRIGGER choosy")
        done = await asyncio.to_thread(recovered, shop)
        after = (await client.get("/v1/verdicts")).json()["verdicts"]
        at_last = (await client.get("/metrics")).text
    assert {answer.status_code for answer in [*answers, by_id]} == {200}
    told = [answer.json()["verdicts"][0]["id"] for answer in [*answers, by_id]]
    assert [one["id"] for one in before] == told[3:]
    assert "assay_verdicts_refused 3.0" in metrics
    assert (summary.verdicts, summary.reasons[0].problem) == (3, "IntegrityError")
    assert (still.written, still.refused_again, still.left.since) == (0, 3, summary.since)
    assert (done.written, done.left.verdicts) == (3, 0)
    assert sorted(one["id"] for one in after) == sorted(told)
    assert "assay_verdicts_refused 0.0" in at_last
