"""What is more than one request may ask for, and long texts beside short ones."""

import asyncio
import threading

import pytest
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from spans_sent import SPAN, encoded, exported, span

from assay.ingest.otlp import JSON_TYPE, PROTOBUF_TYPE
from assay.schema.example import LONG_CHARS, Example

pytestmark = pytest.mark.anyio


async def test_more_tokens_than_a_request_may_hold_are_refused_at_every_door(shop, asked):
    shop.add(alias="champion")
    shop.configure("[serving]\nmax_request_tokens = 1000\n")
    fits, long = "a " * 1960, "a " * 2000  # 3920 characters are 980 tokens and 16
    async with shop.serving() as (client, serving):
        taken = await client.post("/v1/judge", json=asked(fits))
        refused = [
            await client.post("/v1/judge", json=asked(long)),
            await client.post("/v1/judge", json={"judges": ["advice", "advice@champion"], "output": fits}),
            await client.post("/v1/events", json={"events": [asked(), asked(long)]}),
            await client.post("/v1/moderations", json={"input": long}),
        ]
        batch = await client.post("/v1/judge/batch", json={"judges": ["advice"], "examples": [{"output": long}]})
        await serving.recorder.settled()
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
    assert taken.status_code == 200
    assert {(answer.status_code, answer.json().get("code")) for answer in refused[:3]} == {(413, "too-large")}
    assert refused[3].status_code != 500
    problem = refused[0].json()
    assert problem["required"].startswith("at most 1000 tokens")
    assert problem["got"] == "about 1016"
    assert "max_request_tokens" in problem["next_step"]
    assert batch.json()["answers"][0]["problem"]["status"] == 413
    assert len(found) == 1


@pytest.mark.parametrize("media_type", [JSON_TYPE, PROTOBUF_TYPE])
async def test_a_span_that_holds_too_much_is_rejected_as_otlp_says_and_the_others_are_judged(shop, media_type):
    shop.add(alias="champion")
    shop.add("tone", alias="champion")
    shop.configure('[serving]\nmax_request_tokens = 1000\ntrace_judges = ["advice", "tone"]\n')
    both = span("b7ad6b7169203332", reply="a " * 1000)  # for one judge alone it would fit
    async with shop.serving() as (client, _):

        async def sent(*spans):
            content = encoded(media_type, *spans)
            answer = await client.post("/v1/traces", content=content, headers={"content-type": media_type})
            assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
            read = trace_service_pb2.ExportTraceServiceResponse()
            Parse(answer.text, read) if media_type == JSON_TYPE else read.ParseFromString(answer.content)
            return read

        partial = await sent(span(), both, span("b7ad6b7169203333", "a " * 3000))
        whole = await sent(span())
        nothing = await sent(both)
        for _ in range(300):
            found = (await client.get("/v1/verdicts")).json()["verdicts"]
            if len(found) >= 2:
                break
            await asyncio.sleep(0.02)
        metrics = (await client.get("/metrics")).text
    assert partial.partial_success.rejected_spans == 2
    assert "at most 1000 tokens" in partial.partial_success.error_message
    assert not whole.HasField("partial_success")
    assert nothing.partial_success.rejected_spans == 1
    assert sorted((one["name"], one["span_id"]) for one in found) == [("advice", SPAN), ("tone", SPAN)]
    assert 'assay_refused_total{code="too-large",priority="asynchronous"} 3.0' in metrics


async def test_without_judges_of_spans_none_is_too_large(shop):
    shop.configure("[serving]\nmax_request_tokens = 1\n")
    async with shop.serving() as (client, _):
        answer = await client.post("/v1/traces", json=exported(span()))
    assert (answer.status_code, answer.content) == (200, b"{}")


@pytest.mark.parametrize("most", [2, 20])
async def test_how_many_judges_a_request_may_name_stands_in_the_settings(shop, asked, most):
    shop.add(alias="champion")
    shop.configure(f"[serving]\nmax_judges = {most}\n")
    async with shop.serving() as (client, _):
        for count, good in ((most, True), (most + 1, False)):
            body = asked() | {"judges": ["advice"] * count}
            example = {"judges": body["judges"], "examples": [{"output": "buy"}]}
            answers = [
                await client.post("/v1/judge", json=body),
                await client.post("/v1/judge/batch", json=example),
                await client.post("/v1/events", json={"events": [body]}),
            ]
            statuses = [answer.status_code for answer in answers]
            assert statuses == ([200, 200, 202] if good else [422, 422, 422])
        assert answers[0].json()["required"] == f"at most {most}"


@pytest.mark.parametrize(("chars", "elsewhere"), [(LONG_CHARS, False), (LONG_CHARS + 1, True)])
async def test_a_long_text_is_redacted_in_a_thread_and_a_short_one_is_not(shop, asked, chars, elsewhere):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        redactor, seen = serving.recorder.text.redactor, []
        redact = redactor.redact_example

        def noted(example):
            seen.append(threading.current_thread())
            return redact(example)

        redactor.redact_example = noted
        answer = await client.post("/v1/judge", json=asked("a" * chars))
    assert answer.status_code == 200
    assert [thread is not threading.main_thread() for thread in seen] == [elsewhere]


async def test_a_verdict_on_a_long_text_is_kept_whole_among_short_ones(shop, asked):
    shop.add(alias="champion")
    async with shop.serving() as (client, serving):
        texts = ["mail ann@example.org " * size for size in (1, 2000, 2, 3000)]
        assert [(await client.post("/v1/judge", json=asked(text))).status_code for text in texts] == [200] * 4
        await serving.recorder.settled()
        found = (await client.get("/v1/verdicts")).json()["verdicts"]
        kept = [(await client.get(f"/v1/verdicts/{one['id']}")).json()["example"]["output"] for one in found]
    assert sorted(map(len, kept)) == sorted(len(text.replace("ann@example.org", "[EMAIL]")) for text in texts)


def test_the_length_of_an_example_is_that_of_all_it_holds():
    assert not Example(id="a", output="a" * LONG_CHARS).is_long
    assert Example(id="a", input="a", output="a" * LONG_CHARS).is_long
