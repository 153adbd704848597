"""Faults and their declared outcomes: a disk that is full, a clock that jumps, a mistake of ours in the middle."""

import asyncio
import dataclasses
import resource
import threading
import time
from collections import Counter

import httpx
import pytest
from server_process import ServerProcess

from assay.server.api.litellm import PATH as LITELLM
from assay.serving.worker import Worker
from assay.store import events, verdicts
from assay.store.events import Event
from assay.store.verdicts import VerdictQuery
from assay.testing_engine import TestEngine

DAY_S = 86_400.0


class SlowToLoad(TestEngine):
    """Judges that no alias names are in memory once the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.slow: set[str] = set()

    def add(self, version, folder) -> None:
        if version.id in self.slow:
            self.gate.wait(30)
        super().add(version, folder)


async def until_done(client, *event_ids):
    for event_id in event_ids:
        for _ in range(500):
            if (await client.get(f"/v1/events/{event_id}")).json()["state"] == "done":
                break
            await asyncio.sleep(0.02)
        else:
            raise AssertionError(f"{event_id} was not judged")


def test_a_full_disk_is_answered_clearly_and_what_was_acknowledged_is_there_when_there_is_room_again(shop, asked):
    """The system's own limit on the size of files, put on a running server, is its "no more room"."""
    shop.add(alias="champion")
    server = ServerProcess(shop.root)
    _, most = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    try:
        with httpx.Client(base_url=server.url, timeout=30) as client:
            before = client.post("/v1/judge", json=asked("before"))
            first = client.post("/v1/events", json={"events": [asked("before", event_id="first")]})
            while client.get("/v1/events/first").json()["state"] != "done":
                time.sleep(0.02)
            client.get("/v1/verdicts")  # waits until what was given is recorded
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, most))
            refused = [
                client.post("/v1/judge", json=asked("meanwhile")),
                client.post("/v1/events", json={"events": [asked("meanwhile", event_id="second")]}),
            ]
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, most))
            after = client.post("/v1/judge", json=asked("after"))
            third = client.post("/v1/events", json={"events": [asked("after", event_id="third")]})
            while client.get("/v1/events/third").json()["state"] != "done":
                time.sleep(0.02)
            found = client.get("/v1/verdicts").json()["verdicts"]
    finally:
        server.kill()
    assert [before.status_code, first.status_code, after.status_code, third.status_code] == [200, 202, 200, 202]
    assert [answer.status_code for answer in refused] == [503, 503]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)
    assert all(answer.headers["retry-after"] for answer in refused)
    assert "could not be recorded, so it is not given" in refused[0].json()["detail"]
    told = [answer.json()["verdicts"][0]["id"] for answer in (before, after)]
    assert sorted(one["id"] for one in found if one["event_id"] is None) == sorted(told)
    assert Counter(one["event_id"] for one in found if one["event_id"]) == {"first": 1, "third": 1}


@pytest.mark.anyio
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_a_clock_that_jumps_has_events_begun_twice_and_written_once(shop, asked, jump_s):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        shop.engine.stall()
        await client.post("/v1/events", json={"events": [asked(f"text {n}", event_id=f"e{n}") for n in range(5)]})
        for _ in range(500):
            if shop.engine.submitted >= 5:  # this server's own worker holds them
                break
            await asyncio.sleep(0.01)
        other = Worker(
            serving.database,
            serving.service,
            serving.recorder,
            "a server whose clock jumped",
            lambda: None,
            clock=lambda: time.time() + jump_s,
        )
        step = asyncio.create_task(other.step())
        for _ in range(500):
            if shop.engine.submitted >= 10:
                break
            await asyncio.sleep(0.01)
        shop.engine.go_on()
        assert await step == 5
        await until_done(client, *(f"e{n}" for n in range(5)))
        with serving.database.read() as connection:
            found = verdicts.find(connection, VerdictQuery(limit=100))
            attempts = {events.get(connection, f"e{n}").attempts for n in range(5)}
    assert Counter(one.given.event_id for one in found) == {f"e{n}": 1 for n in range(5)}
    assert attempts == {2}


@pytest.mark.anyio
async def test_an_event_that_breaks_takes_no_other_along_and_ends_the_worker_not(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        broken = Event(id="broken", body={"judges": ["advice"], "request_id": "r"})  # as no route would accept it
        await serving.intake.accept([broken])
        await client.post("/v1/events", json={"events": [asked(event_id="good")]})
        await until_done(client, "broken", "good")
        await client.post("/v1/events", json={"events": [asked(event_id="next")]})
        await until_done(client, "next")
        (failed,) = (await client.get("/v1/events/broken")).json()["verdicts"]
        (good,) = (await client.get("/v1/events/good")).json()["verdicts"]
    assert (failed["kind"], failed["action"]) == ("failed", "allow-and-flag")
    assert good["kind"] == "decided"


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["judge", "moderations", "guard", "events"])
async def test_where_a_judge_is_still_being_loaded_its_fallback_speaks_in_time_by_every_way_in(shop, way):
    engine = SlowToLoad()
    shop = dataclasses.replace(shop, engine=engine)
    shop.add(alias="champion")
    version = shop.add(fallback="block")
    engine.slow.add(version)
    shop.configure("[serving]\n")
    path = shop.root / "assay.toml"
    path.write_text(path.read_text().replace("30_000", "200"))
    said = {"input": "hello", "output": "buy Apex now"}
    address, body = {
        "judge": ("/v1/judge", {"judges": [version], **said}),
        "moderations": ("/v1/moderations", {"model": version, "input": "buy Apex now"}),
        "guard": (f"/guard/{version}{LITELLM}", {"input_type": "response", "texts": ["buy Apex now"]}),
        "events": ("/v1/events", {"events": [{"judges": [version], **said}]}),
    }[way]
    async with shop.serving() as (client, serving):
        early = await client.post(address, json=body)
        if way != "events":  # an event waits for longer than this test
            (first,) = (await client.get("/v1/verdicts")).json()["verdicts"]
            assert (first["route"], first["reason_code"]) == ("fallback.action", "deadline-exceeded")
            assert first["action"] == "block"
        engine.gate.set()
        for _ in range(300):
            if serving.judges.holds(version):
                break
            await asyncio.sleep(0.02)
        late = await client.post(address, json=body)
        for _ in range(300):
            found = (await client.get("/v1/verdicts")).json()["verdicts"]
            if len(found) == 2:
                break
            await asyncio.sleep(0.02)
    assert [early.status_code, late.status_code] == ([202, 202] if way == "events" else [200, 200])
    assert sorted(one["kind"] for one in found) == (["decided"] * 2 if way == "events" else ["decided", "failed"])
