"""`assay.Client` and `assay.AsyncClient` against a real server."""

import asyncio

import httpx
import pytest

from assay import AsyncClient, Client
from assay.client import ServerError
from assay.schema.errors import InputError
from assay.server.app import server_app
from assay.server.running import serving_of

pytestmark = pytest.mark.anyio


async def test_every_method_of_the_async_client(shop):
    version = shop.add(alias="champion")
    with serving_of(shop.settings, make_engine=lambda _: shop.engine, open_access=True) as serving:
        transport = httpx.ASGITransport(app=server_app(serving))
        async with serving.at_work(), AsyncClient("http://localhost", transport=transport) as client:
            answer = await client.judge("advice", output="buy")
            (verdict,) = answer.verdicts
            stored = await client.verdict(verdict.id)
            (event_id,) = await client.send_events([{"judges": ["advice"], "output": "sell", "event_id": "e1"}])
            while (event := await client.event(event_id)).state != "done":
                await asyncio.sleep(0.02)
            labelled = await client.label(verdict.id, "no", labeller="mia")
            listed = await client.verdicts(name="advice", limit=10)
            judges = await client.judges()
            examples = [{"output": "hold"}, {"input": "no output"}]
            said, unsaid = await client.judge_batch("advice", examples, deadline_ms=30_000, idempotency_key="night")
            again = await client.judge_batch("advice", examples, deadline_ms=30_000, idempotency_key="night")
            with pytest.raises(ServerError) as refusal:
                await client.judge("nobody", output="x")
    assert verdict.judge == version
    assert stored.example is not None
    assert event_id == "e1"
    assert [(one.judge, one.event_id) for one in event.verdicts] == [(version, "e1")]
    assert (labelled.new, labelled.queue) == (True, None)
    assert said.verdicts[0].judge == version
    assert (unsaid.status, unsaid.code) == (422, "bad-input")
    assert again == (said, unsaid)
    assert len(listed) == 2
    assert [(judge.id, judge.aliases, judge.labels) for judge in judges.judges] == [
        (version, ("champion",), ("yes", "no"))
    ]
    assert (refusal.value.status, refusal.value.code) == (404, "not-found")
    assert refusal.value.request_id.startswith("req_")


def answering(*answers):
    """A transport that gives these answers one after the other."""
    left = iter(answers)
    return httpx.MockTransport(lambda request: next(left))


NOT_FIELDS = ("probabilities", "problems", "example")  # their names are labels, judges, and what the caller wrote


def newer(value):
    """What a newer server might answer: every object in it has one more field."""
    if isinstance(value, dict):
        same = {name: inner if name in NOT_FIELDS else newer(inner) for name, inner in value.items()}
        return {**same, "since_next_year": [1]}
    return [newer(inner) for inner in value] if isinstance(value, list) else value


async def test_fields_that_only_a_newer_server_has_are_left_out(shop):
    shop.add(alias="champion")
    async with shop.serving() as (http, _):
        body = {"judges": ["advice"], "output": "buy"}
        answer = (await http.post("/v1/judge", json=body)).json()
        batch = await http.post("/v1/judge/batch", json={"judges": ["advice"], "examples": [{"output": "buy"}]})
        one = (await http.get(f"/v1/verdicts/{answer['verdicts'][0]['id']}")).json()
        await http.post("/v1/events", json={"events": [{**body, "event_id": "e1"}]})
        event, judges = [(await http.get(path)).json() for path in ("/v1/events/e1", "/v1/judges")]
    person = {"state": "answered", "queue": "q", "position": 1, "label": "no", "answers": []}
    person["answers"] = [{"labeller": "mia", "value": "no", "note": "", "at": "2026-01-01T00:00:00+00:00"}]
    answer["verdicts"][0]["person"] = person
    sent = [answer, batch.json(), one, {"verdicts": [one], "next": None}, event, judges]
    taken = []
    for change in (lambda value: value, newer):
        with Client(transport=answering(*(httpx.Response(200, json=change(values)) for values in sent))) as client:
            taken.append(
                (
                    client.judge("advice", output="buy"),
                    client.judge_batch("advice", [{"output": "buy"}]),
                    client.verdict("v"),
                    client.verdicts(),
                    client.event("e1"),
                    client.judges(),
                )
            )
    assert taken[0] == taken[1]
    assert taken[1][0].verdicts[0].person.answers[0].labeller == "mia"


def test_an_answer_of_another_shape_is_said_to_be_one():
    with (
        Client(transport=answering(httpx.Response(200, json={"verdicts": "none"}))) as client,
        pytest.raises(InputError, match="is no Answer"),
    ):
        client.judge("advice", output="buy")


def test_what_is_refused_for_the_moment_is_sent_again():
    body = {"request_id": "r", "action": "allow", "verdicts": []}
    busy = httpx.Response(429, headers={"Retry-After": "0"}, json={"code": "overloaded", "detail": "Too much."})
    with Client(transport=answering(busy, httpx.Response(200, json=body)), retries=1) as client:
        assert client.judge("advice", output="x").action == "allow"
    with Client(transport=answering(busy, busy), retries=1) as client, pytest.raises(ServerError, match="Too much"):
        client.judge("advice", output="x")


def test_a_refusal_that_is_no_problem_json_is_still_a_sentence():
    with (
        Client(transport=answering(httpx.Response(502, text="<html>")), retries=0) as client,
        pytest.raises(ServerError, match="answered 502"),
    ):
        client.judges()
