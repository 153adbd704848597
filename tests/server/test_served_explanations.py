"""Mode `reasoning` over HTTP: the explanation comes out, is stored as the example is, and never costs the verdict."""

import asyncio
import dataclasses
import shutil

import httpx
import pytest
from sqlalchemy import text

from assay import AsyncClient
from assay.models.backbone import find_backbone
from assay.models.tokens import label_token_ids
from assay.server.app import server_app
from assay.server.running import serving_of
from assay.serving.webhook import Webhook

pytestmark = pytest.mark.anyio
MODES = ("single-token", "verdict", "reasoning")
TEXT = "write to ann@example.org"


@pytest.fixture
def explaining(shop, tiny, make_version, tmp_path):
    """A workspace whose judge explains: with the test engine by saying the end of what it read again."""
    backbone = find_backbone(str(tiny("llama")))
    tokenizer = tmp_path / "decoder"
    tokenizer.mkdir()
    for path in tiny("llama").iterdir():
        if "token" in path.name:
            shutil.copy(path, tokenizer)
    made = dataclasses.replace(shop, tokenizer=tokenizer)
    labels = label_token_ids(backbone.load_tokenizer(), ("yes", "no"))
    rendering = dataclasses.replace(
        make_version().rendering, template="verdict.v1", layout="instruction-first", label_tokens=labels
    )
    made.add(alias="champion", family="decoder", rendering=rendering, modes=MODES)
    return made


def on_disk(shop):
    """All that the server has written: the database and its log, the journals."""
    return b"".join(path.read_bytes() for path in shop.settings.data.rglob("*") if path.is_file())


async def until_done(client, event_id):
    for _ in range(400):
        state = (await client.get(f"/v1/events/{event_id}")).json()
        if state["state"] == "done":
            return state["verdicts"]
        await asyncio.sleep(0.02)
    raise AssertionError(f"{event_id} was not judged")


async def test_the_explanation_is_in_the_answer_and_redacted_where_it_is_kept(explaining, asked):
    async with explaining.serving() as (client, _):
        (verdict,) = (await client.post("/v1/judge", json=asked(TEXT, mode="reasoning"))).json()["verdicts"]
        stored = (await client.get(f"/v1/verdicts/{verdict['id']}")).json()
        (plain,) = (await client.post("/v1/judge", json=asked(TEXT))).json()["verdicts"]
    assert TEXT in verdict["explanation"]
    assert verdict["explanation_cut"] is False
    assert stored["explanation"] == verdict["explanation"].replace("ann@example.org", "[EMAIL]")
    assert stored["example"]["output"] == "write to [EMAIL]"
    assert (plain["explanation"], plain["explanation_cut"]) == (None, False)
    assert plain["label"] == verdict["label"]
    assert b"ann@example.org" not in on_disk(explaining)


async def test_without_texts_no_explanation_is_kept(explaining, asked):
    explaining.configure("[serving]\nkeep_text = false\n")
    async with explaining.serving() as (client, _):
        (verdict,) = (await client.post("/v1/judge", json=asked(TEXT, mode="reasoning"))).json()["verdicts"]
        stored = (await client.get(f"/v1/verdicts/{verdict['id']}")).json()
    assert TEXT in verdict["explanation"]
    assert stored["explanation"] is None
    assert b"write to" not in on_disk(explaining)


async def test_an_answer_that_is_kept_for_its_key_says_what_may_be_kept(explaining, asked):
    async with explaining.serving() as (client, _):
        key = {"Idempotency-Key": "order-17"}
        first, again = [
            await client.post("/v1/judge", json=asked(TEXT, mode="reasoning"), headers=key) for _ in range(2)
        ]
    assert first.json() == again.json()
    assert "write to [EMAIL]" in first.json()["verdicts"][0]["explanation"]
    assert b"ann@example.org" not in on_disk(explaining)


async def test_an_event_and_its_webhook_carry_the_explanation_as_it_is_kept(explaining, asked):
    async with explaining.serving() as (client, serving):
        serving.webhooks.addresses = {"team": Webhook(url="http://127.0.0.1:1/", secret="whsec_" + "a" * 32)}
        event = asked(TEXT, mode="reasoning", event_id="call-1", webhook="team")
        await client.post("/v1/events", json={"events": [event]})
        (verdict,) = await until_done(client, "call-1")
        with serving.database.read() as connection:
            (message,) = connection.execute(text("SELECT body FROM deliveries")).scalars()
    assert "write to [EMAIL]" in verdict["explanation"]
    assert "write to [EMAIL]" in message
    assert "ann@example.org" not in message


async def test_a_verdict_stands_when_there_is_no_time_to_explain_it(explaining, asked):
    async with explaining.serving() as (client, _):
        (quick,) = (await client.post("/v1/judge", json=asked())).json()["verdicts"]
        explaining.engine.stall_explanations()
        answer = await client.post("/v1/judge", json=asked(mode="reasoning", deadline_ms=300))
    (verdict,) = answer.json()["verdicts"]
    assert (verdict["route"], verdict["label"]) == ("judge", quick["label"])
    assert (verdict["explanation"], verdict["explanation_cut"]) == (None, True)


async def test_the_typed_client_has_the_explanation(explaining):
    with serving_of(explaining.settings, make_engine=lambda _: explaining.engine, open_access=True) as serving:
        transport = httpx.ASGITransport(app=server_app(serving))
        async with serving.at_work(), AsyncClient("http://localhost", transport=transport) as client:
            (verdict,) = (await client.judge("advice", output=TEXT, mode="reasoning")).verdicts
    assert verdict.explanation is not None
    assert TEXT in verdict.explanation
    assert not verdict.explanation_cut
