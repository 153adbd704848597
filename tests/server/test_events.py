"""`POST /v1/events`: accepted is durable, judged once, told to a webhook that can check the signature."""

import asyncio
import json
import time

import pytest
import uvicorn
from standardwebhooks import Webhook

from assay.schema.errors import InputError
from assay.serving import worker
from assay.serving.recorder import write
from assay.serving.webhook import Webhook as Address
from assay.store import events
from assay.store.database import open_database
from assay.store.events import Event

pytestmark = pytest.mark.anyio
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of this test


async def done(client, event_id):
    for _ in range(400):
        state = (await client.get(f"/v1/events/{event_id}")).json()
        if state["state"] == "done":
            return state
        await asyncio.sleep(0.02)
    raise AssertionError(f"{event_id} was not judged")


async def test_an_event_is_judged_once_and_keeps_no_text(shop, asked):
    version = shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        accepted = await client.post("/v1/events", json={"events": [asked(event_id="call-1"), asked("sell")]})
        assert accepted.status_code == 202
        state = await done(client, "call-1")
        await done(client, accepted.json()["event_ids"][1])
        by_query = (await client.get("/v1/verdicts", params={"event_id": "call-1"})).json()["verdicts"]
        with serving.database.read() as connection:
            body = events.get(connection, "call-1").body
    assert [verdict["judge"] for verdict in state["verdicts"]] == [version]
    assert state["attempts"] == 1
    assert by_query == state["verdicts"]
    assert "values" not in body


async def test_the_same_event_again_changes_nothing_and_another_under_its_id_is_refused(shop, asked):
    shop.add(alias="champion")
    headers = {"X-Request-Id": "one-request"}
    async with shop.serving() as (client, _):
        same = [
            await client.post("/v1/events", json={"events": [asked(event_id="call-1")]}, headers=headers)
            for _ in range(2)
        ]
        await done(client, "call-1")
        other = await client.post("/v1/events", json={"events": [asked("other", event_id="call-1")]}, headers=headers)
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
    assert [answer.status_code for answer in same] == [202, 202]
    assert other.status_code == 409
    assert len(found) == 1


async def test_what_could_never_be_judged_is_not_accepted(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, _):
        unknown = await client.post("/v1/events", json={"events": [asked(), asked(judge="nobody")]})
        empty = await client.post("/v1/events", json={"events": [{"judges": ["advice"]}]})
        webhook = await client.post("/v1/events", json={"events": [asked(webhook="http://169.254.169.254/")]})
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
    assert [answer.status_code for answer in (unknown, empty, webhook)] == [404, 422, 422]
    assert found == []


async def test_a_stalled_engine_ends_an_event_with_the_declared_action(shop, asked):
    shop.add(alias="champion")
    shop.configure("[serving]\nevent_deadline_ms = 50\n")
    async with shop.serving() as (client, _):
        shop.engine.stall()
        await client.post("/v1/events", json={"events": [asked(event_id="call-1")]})
        (verdict,) = (await done(client, "call-1"))["verdicts"]
    assert (verdict["kind"], verdict["reason_code"]) == ("failed", "deadline-exceeded")


async def test_an_event_that_waited_for_too_long_is_not_judged_any_more(shop, caplog):
    version = shop.add(alias="champion", fallback="block")
    shop.configure("[serving]\nevent_max_age_hours = 2\n")
    body = {"judges": ["advice", "gone"], "request_id": "r", "values": {"output": "buy"}, "key": ""}
    long_ago, just_now = "2026-01-01T00:00:00.000000+00:00", time.time() - 60
    database = open_database(shop.settings.database_url)
    with database.begin() as connection:
        for name, ready_at_s in (("old", 0.0), ("new", 0.0), ("quiet-since-a-minute", just_now)):
            events.add(connection, [Event(id=name, body=body, ready_at_s=ready_at_s)])
        were = events.events.update().where(events.events.c.id != "new")
        connection.execute(were.values(created_at=long_ago))
    database.close()
    async with shop.serving() as (client, _):
        found = {name: (await done(client, name))["verdicts"] for name in ("old", "new", "quiet-since-a-minute")}
    told = {name: [(one["kind"], one["reason_code"], one["action"]) for one in given] for name, given in found.items()}
    judged = [("decided", "judged"), ("failed", "not-found")]
    assert told["old"] == [("failed", "too-old", "block"), ("failed", "too-old", "allow-and-flag")]
    assert "more than 2 hours" in found["old"][0]["reason"]
    assert [one[:2] for one in told["new"]] == [one[:2] for one in told["quiet-since-a-minute"]] == judged
    assert shop.engine.submitted == 2
    assert found["new"][0]["judge"] == version
    assert [record.events for record in caplog.records if "too long" in record.message] == [1]


@pytest.mark.parametrize("hours", ["0", "-1.5", "nan"])
async def test_an_age_that_is_none_is_refused(shop, hours):
    shop.configure(f"[serving]\nevent_max_age_hours = {hours}\n")
    with pytest.raises(InputError, match="event_max_age_hours is above zero"):
        async with shop.serving():
            pass


async def test_a_webhook_is_told_until_it_takes_it_and_can_check_who_speaks(shop, asked):
    shop.add(alias="champion")
    taken: list[tuple[dict[str, str], bytes]] = []
    refusals = iter([503])

    async def receiver(scope, receive, send):
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        status = next(refusals, 200)
        if status == 200:
            taken.append(({name.decode(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    server = uvicorn.Server(uvicorn.Config(receiver, port=0, lifespan="off", log_level="error"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with shop.serving() as (client, serving):
        serving.webhooks.addresses = {"team": Address(url=f"http://127.0.0.1:{port}/", secret=SECRET)}
        await client.post("/v1/events", json={"events": [asked(event_id="call-1", webhook="team")]})
        state = await done(client, "call-1")
        for _ in range(300):
            if taken:
                break
            await asyncio.sleep(0.02)
    server.should_exit = True
    await running
    ((headers, body),) = taken
    told = Webhook(SECRET).verify(body, headers)
    assert told == json.loads(body)
    assert told["event_id"] == "call-1"
    assert told["verdicts"] == state["verdicts"]


async def test_an_event_whose_judge_is_gone_ends_with_a_failed_verdict(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        body = {"judges": ["gone"], "request_id": "r", "values": {"output": "buy"}, "key": ""}
        await serving.intake.accept([Event(id="call-1", body=body)])
        (verdict,) = (await done(client, "call-1"))["verdicts"]
    assert (verdict["kind"], verdict["reason_code"]) == ("failed", "not-found")


async def test_what_the_database_will_never_take_ends_with_a_failed_verdict_and_holds_up_nobody(
    shop, asked, monkeypatch
):
    shop.add(alias="champion", fallback="block")

    def picky(connection, rows):
        if any("poison" in row["example"] for row in rows):
            raise InputError("The database does not take a value.")
        write(connection, rows)

    monkeypatch.setattr(worker, "write", picky)
    async with shop.serving() as (client, _):
        sent = [asked("one", event_id="a"), asked("poison", event_id="b"), asked("two", event_id="c")]
        await client.post("/v1/events", json={"events": sent})
        found = {name: (await done(client, name))["verdicts"] for name in "abc"}
    assert {name: [one["kind"] for one in given] for name, given in found.items()} == {
        "a": ["decided"],
        "b": ["failed"],
        "c": ["decided"],
    }
    assert (found["b"][0]["reason_code"], found["b"][0]["action"]) == ("bad-input", "block")


async def test_a_batch_that_cannot_be_finished_is_free_again_at_once(shop, asked, monkeypatch):
    shop.add(alias="champion")
    broken = [ZeroDivisionError()]

    def write_later(connection, rows):
        if broken:
            raise broken.pop()
        write(connection, rows)

    monkeypatch.setattr(worker, "write", write_later)
    async with shop.serving() as (client, _):
        await client.post("/v1/events", json={"events": [asked(event_id="call-1")]})
        state = await done(client, "call-1")
    assert state["attempts"] == 2
