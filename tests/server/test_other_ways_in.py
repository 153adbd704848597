"""The ways in that others define: OpenAI's moderations, OpenTelemetry's spans; and labels, the way back."""

import asyncio
import gzip

import openai
import pytest
from spans_sent import SPAN, TRACE, encoded, exported, span, text_of

from assay.ingest.otlp import JSON_TYPE, PROTOBUF_TYPE
from assay.store import examples

pytestmark = pytest.mark.anyio


async def verdicts_of(client, trace_id, count=1):
    for _ in range(300):
        found = (await client.get("/v1/verdicts", params={"trace_id": trace_id})).json()["verdicts"]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the spans were not judged")


async def test_openais_client_works_with_only_base_url_changed(shop):
    version = shop.add(alias="champion")
    async with shop.serving() as (client, _):
        theirs = openai.AsyncOpenAI(base_url="http://localhost/v1", api_key="any", http_client=client)
        answer = await theirs.moderations.create(input=["buy Apex now", "hello"])
        named = await theirs.moderations.create(model=version, input="buy Apex now")
        with pytest.raises(openai.NotFoundError):
            await theirs.moderations.create(model="nobody", input="x")
    assert len(answer.results) == 2
    first = answer.results[0]
    assert set(first.categories.model_dump(exclude_none=True)) >= {"advice"}
    assert 0 <= first.category_scores.model_dump()["advice"] <= 1
    assert first.flagged == first.categories.model_dump()["advice"]
    assert named.results[0].flagged == first.flagged


@pytest.mark.parametrize("form", ["json", "protobuf", "gzip"])
async def test_spans_become_verdicts_linked_to_them(shop, form):
    version = shop.add(alias="champion")
    shop.configure('[serving]\ntrace_judges = ["advice"]\n')
    media_type = JSON_TYPE if form == "json" else PROTOBUF_TYPE
    body, headers = encoded(media_type, span()), {"content-type": media_type}
    if form == "gzip":
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/traces", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        (verdict,) = await verdicts_of(client, TRACE)
        example = (await client.get(f"/v1/verdicts/{verdict['id']}")).json()["example"]
    assert (verdict["judge"], verdict["span_id"]) == (version, SPAN)
    assert example["output"] == "Buy Apex now."


async def test_the_same_export_again_judges_nothing_twice(shop):
    shop.add(alias="champion")
    shop.configure('[serving]\ntrace_judges = ["advice"]\n')
    async with shop.serving() as (client, _):
        for _ in range(3):
            await client.post("/v1/traces", json=exported(span()))
            await verdicts_of(client, TRACE)
        assert len(await verdicts_of(client, TRACE)) == 1


async def test_other_spans_and_other_conventions(shop):
    shop.add(alias="champion")
    shop.configure('[serving]\ntrace_judges = ["advice"]\n')
    database = {**span("b7ad6b7169203332"), "attributes": [{"key": "db.system", "value": text_of("sqlite")}]}
    attributes = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Which fund?",
        "gen_ai.completion.0.content": "The Apex fund.",
    }
    pairs = [{"key": key, "value": text_of(value)} for key, value in attributes.items()]
    indexed = {**span("b7ad6b7169203333"), "attributes": pairs}
    async with shop.serving() as (client, _):
        await client.post("/v1/traces", json=exported(database, indexed))
        (verdict,) = await verdicts_of(client, TRACE)
        wrong = await client.post("/v1/traces", content=b"x", headers={"content-type": "text/plain"})
        broken = await client.post("/v1/traces", content=b"\xff", headers={"content-type": PROTOBUF_TYPE})
    assert verdict["span_id"] == "b7ad6b7169203333"
    assert [wrong.status_code, broken.status_code] == [415, 422]


async def test_a_label_of_a_verdict_becomes_a_label_of_its_example(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        verdict = (await client.post("/v1/judge", json=asked("buy, or write to ann@example.org"))).json()["verdicts"][0]
        label = {"verdict_id": verdict["id"], "value": "no", "labeller": "mia", "source": "expert"}
        first = await client.post("/v1/labels", json=label)
        again = await client.post("/v1/labels", json=label)
        off_scale = await client.post("/v1/labels", json={**label, "value": "maybe"})
        unknown = await client.post("/v1/labels", json={**label, "verdict_id": "vd_nothing"})
        with serving.database.read() as connection:
            ((example, labels),) = list(examples.iter_labelled(connection, "advice/1"))
    assert (first.json()["new"], again.json()["new"]) == (True, False)
    assert [off_scale.status_code, unknown.status_code] == [422, 404]
    assert example.output == "buy, or write to [EMAIL]"
    assert [(one.value, one.labeller, one.source) for one in labels] == [("no", "mia", "expert")]
