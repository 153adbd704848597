"""`assay.Client` and `assay.AsyncClient` against a real server."""

import asyncio

import httpx
import pytest

from assay import AsyncClient, Client
from assay.client import ServerError
from assay.server.app import server_app
from assay.server.running import serving_of

pytestmark = pytest.mark.anyio


async def test_every_method_of_the_async_client(shop):
    version = shop.add(alias="champion")
    with serving_of(shop.settings, make_engine=lambda _: shop.engine, open_access=True) as serving:
        transport = httpx.ASGITransport(app=server_app(serving))
        async with serving.at_work(), AsyncClient("http://server", transport=transport) as client:
            answer = await client.judge("advice", output="buy")
            (verdict,) = answer.verdicts
            stored = await client.verdict(verdict.id)
            (event_id,) = await client.send_events([{"judges": ["advice"], "output": "sell", "event_id": "e1"}])
            while (await client.event(event_id))["state"] != "done":
                await asyncio.sleep(0.02)
            labelled = await client.label(verdict.id, "no", labeller="mia")
            listed = await client.verdicts(name="advice", limit=10)
            judges = await client.judges()
            with pytest.raises(ServerError) as refusal:
                await client.judge("nobody", output="x")
    assert verdict.judge == version
    assert stored.example is not None
    assert event_id == "e1"
    assert labelled["new"]
    assert len(listed) == 2
    assert [judge["id"] for judge in judges["judges"]] == [version]
    assert (refusal.value.status, refusal.value.code) == (404, "not-found")
    assert refusal.value.request_id.startswith("req_")


def answering(*answers):
    """A transport that gives these answers one after the other."""
    left = iter(answers)
    return httpx.MockTransport(lambda request: next(left))


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
