"""A request with an Idempotency-Key runs once, and what the database is does not take its answer away."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from starlette.requests import Request

from assay.schema.errors import AssayError, InputError
from assay.server.once import once
from assay.store.answers import Answer
from assay.store.keys import ApiKey

pytestmark = pytest.mark.anyio
CALLER = ApiKey(id="key_a", name="a", scopes=("admin",), created_at="")
ANSWER = Answer(status=202, body='{"event_ids": ["e1"]}')


def renamed(shop, old, new):
    """A database that refuses whatever is to be done with a table, until it is named back."""
    with closing(sqlite3.connect(shop.settings.data / "assay.db")) as connection:
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")


def request_named(request_id="req_1"):
    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [], "query_string": b""}
    return Request({**scope, "server": ("localhost", 80), "assay_request_id": request_id}, receive)


async def test_an_answer_that_cannot_be_stored_is_given_and_is_the_answer_of_its_key_afterwards(shop):
    runs = []

    async def run():
        runs.append("run")
        await asyncio.to_thread(renamed, shop, "answers", "away")
        return ANSWER

    async with shop.serving() as (_, serving):
        first = await once(serving, CALLER, request_named(), "k", run)
        with pytest.raises(AssayError, match="database"):  # nobody can say now whether it is the first
            await once(serving, CALLER, request_named(), "k", run)
        renamed(shop, "away", "answers")
        again = await once(serving, CALLER, request_named(), "k", run)
    assert (first.status_code, first.body) == (again.status_code, again.body) == (202, ANSWER.body.encode())
    assert again.headers["idempotent-replayed"] == "true"
    assert runs == ["run"]


async def test_an_answer_is_stored_late_though_nobody_asks_for_it_again(shop):
    async def run():
        await asyncio.to_thread(renamed, shop, "answers", "away")
        return ANSWER

    async with shop.serving() as (_, serving):
        await once(serving, CALLER, request_named(), "k", run)
        renamed(shop, "away", "answers")
        with closing(sqlite3.connect(shop.settings.data / "assay.db")) as connection:
            for _ in range(500):
                (found,) = connection.execute("SELECT status, body FROM answers").fetchall()
                if found[0] is not None:
                    break
                await asyncio.sleep(0.02)
    assert found == (202, ANSWER.body)


async def test_what_waits_when_a_server_stops_is_stored(shop):
    async def run():
        await asyncio.to_thread(renamed, shop, "answers", "away")
        return ANSWER

    async with shop.serving() as (_, serving):
        await once(serving, CALLER, request_named(), "k", run)
        renamed(shop, "away", "answers")
    with closing(sqlite3.connect(shop.settings.data / "assay.db")) as connection:
        assert connection.execute("SELECT status, body FROM answers").fetchall() == [(202, ANSWER.body)]


async def test_a_refusal_stays_what_it_was_and_its_key_is_free_afterwards(shop):
    async def refuse():
        await asyncio.to_thread(renamed, shop, "answers", "away")
        raise InputError("Nothing to judge.")

    async def run():
        return ANSWER

    async with shop.serving() as (_, serving):
        with pytest.raises(InputError, match="Nothing to judge"):
            await once(serving, CALLER, request_named(), "k", refuse)
        renamed(shop, "away", "answers")
        again = await once(serving, CALLER, request_named(), "k", run)
    assert again.body == ANSWER.body.encode()
    assert "idempotent-replayed" not in again.headers


async def test_a_request_sent_again_under_the_id_of_the_first_waits_for_it_too(shop, asked):
    shop.add(alias="champion")
    headers = {"Idempotency-Key": "k", "X-Request-Id": "one"}  # as a client that sends the very same request again
    async with shop.serving() as (client, _):
        await client.post("/v1/judge", json=asked("it is loaded now"))
        shop.engine.stall()
        before = shop.engine.submitted
        first = asyncio.create_task(client.post("/v1/judge", json=asked(), headers=headers))
        while shop.engine.submitted == before:
            await asyncio.sleep(0.01)
        second = await client.post("/v1/judge", json=asked(deadline_ms=300), headers=headers)
        third = await client.post("/v1/judge", json=asked(), headers=headers)
        shop.engine.go_on()
        assert (await first).status_code == 200
        stored = (await client.get("/v1/verdicts", params={"request_id": "one"})).json()["verdicts"]
    assert [second.status_code, third.status_code] == [409, 409]
    assert "another request" in second.text
    assert "still running" in third.text
    assert len(stored) == 1
