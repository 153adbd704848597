"""Servers over one Postgres: they share its queue, one may be killed, and the database may be lost for a while."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from server_process import ServerProcess
from sqlalchemy import func, select
from tcp_proxy import TcpProxy

from assay.store import events, verdicts
from assay.store.database import open_database
from assay.store.verdicts import VerdictQuery

EVENTS = 300
OUTAGE_S = 10.0
psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def schema(postgres):
    """A schema of its own, to be added to a URL."""
    name = f"served_{time.time_ns()}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"options=-csearch_path%3D{name}"


def event(number):
    return {"judges": ["advice"], "event_id": f"e{number}", "output": f"text {number}"}


def send(servers, numbers):
    """Send events until a server acknowledges them, the servers in turn."""
    batches = [numbers[place : place + 20] for place in range(0, len(numbers), 20)]
    for turn, batch in enumerate(batches):
        for attempt in range(20):
            try:
                answer = httpx.post(
                    f"{servers[(turn + attempt) % len(servers)].url}/v1/events",
                    json={"events": [event(number) for number in batch]},
                    headers={"X-Request-Id": "one"},
                    timeout=20,
                )
                assert answer.status_code == 202, answer.text
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        else:
            raise AssertionError("no server took the events")


def owners(database):
    """How many unfinished events each server holds now."""
    here = events.events.c
    held = select(here.owner, func.count()).where(here.owner.is_not(None)).group_by(here.owner)
    with database.read() as connection:
        return dict(connection.execute(held).all())


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def waiting(database):
    with database.read() as connection:
        return events.waiting(connection)


def test_two_servers_share_one_queue_and_one_that_is_killed_leaves_nothing_undone(shop, postgres, schema):
    url = f"{postgres}&{schema}"
    shop.configure(f'[store]\nurl = "{url}"\n[serving]\nlease_s = 2\n')
    shop.add(alias="champion")
    servers = [ServerProcess(shop.root, delay_s=0.3) for _ in range(2)]
    database = open_database(url)
    try:
        send(servers, list(range(EVENTS // 2)))
        until(lambda: len(owners(database)) == 2)  # both are in the middle of their batches
        servers[0].kill()
        send(servers, list(range(EVENTS // 2, EVENTS)))
        until(lambda: not waiting(database))
        with database.read() as connection:
            found = verdicts.find(connection, VerdictQuery(limit=10_000))
            again = connection.scalar(select(func.count()).where(events.events.c.attempts > 1))
    finally:
        database.close()
        servers[1].kill()
    assert Counter(one.given.event_id for one in found) == {f"e{number}": 1 for number in range(EVENTS)}
    assert again > 0  # what the dead one held was taken up again


@pytest.mark.anyio
async def test_a_database_that_is_lost_for_ten_seconds_loses_nothing_and_stops_no_guardrail(shop, postgres, schema):
    folder = parse_qs(urlsplit(postgres).query)["host"][0]
    proxy = TcpProxy(Path(folder) / ".s.PGSQL.5432")
    address = f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable&gssencmode=disable&{schema}"
    shop.configure(f'[store]\nurl = "{address}"\n[serving]\nlease_s = 60\n')
    await asyncio.to_thread(shop.add, alias="champion")
    judged, refused, degraded = [], [], []

    async with shop.serving() as (client, serving):

        async def judge(number):
            answer = await client.post("/v1/judge", json={"judges": ["advice"], "output": f"direct {number}"})
            assert answer.status_code == 200, answer.text
            judged.append(answer.json()["verdicts"][0]["id"])

        async def accept(numbers):
            return await client.post(
                "/v1/events",
                json={"events": [event(number) for number in numbers]},
                headers={"X-Request-Id": "one"},
            )

        await judge(0)
        shop.engine.stall()
        assert (await accept(range(10))).status_code == 202
        for _ in range(500):
            if shop.engine.submitted > 10:
                break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(proxy.lose)  # in the middle of ten events
        shop.engine.go_on()
        end = time.monotonic() + OUTAGE_S
        while time.monotonic() < end:
            await judge(len(judged))
            refused.append(await accept([99]))
            degraded.append((await client.get("/readyz")).status_code)
            await asyncio.sleep(0.5)
        await asyncio.to_thread(proxy.restore)
        assert (await accept(range(10, 20))).status_code == 202  # at once, without a restart
        for _ in range(600):
            if await serving.recorder.settled() and not await asyncio.to_thread(waiting, serving.database):
                break
            await asyncio.sleep(0.05)
        with serving.database.read() as connection:
            found = verdicts.find(connection, VerdictQuery(limit=10_000))
    await asyncio.to_thread(proxy.lose)
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.headers["content-type"] for answer in refused} == {"application/problem+json"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "cannot be reached" in refused[0].json()["detail"]
    assert set(degraded) == {503}
    assert Counter(one.given.event_id for one in found if one.given.event_id) == {f"e{n}": 1 for n in range(20)}
    assert sorted(one.given.id for one in found if not one.given.event_id) == sorted(judged)
