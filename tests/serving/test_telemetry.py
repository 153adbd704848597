"""Verdicts as OpenTelemetry events, read back by OpenTelemetry itself, and a collector that is away."""

import json
from collections.abc import Iterator

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from assay.schema.errors import InputError
from assay.schema.verdict import Decided, Failed
from assay.serving.telemetry import BATCH, EVENT, MOST_WAITING, Telemetry, exported, log_record, read_headers
from assay.store.verdicts import GivenVerdict

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DECIDED = Decided(label="yes", probability=0.9, probabilities={}, scores={}, judge="advice-3f2a91c0", latency_ms=1.0)
FAILED = Failed(reason="late", action="block", judge="advice-3f2a91c0", reason_code="deadline-exceeded")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def given(verdict, number=1, **more):
    return GivenVerdict(
        id=f"vd_{number}",
        request_id="r", name="advice", criterion="advice/1", role="champion", verdict=verdict, action="flag",
        service_ms=2.0, created_at="2026-01-01", **more,
    )  # fmt: skip


def test_opentelemetry_reads_the_event_and_its_span():
    record = log_record(given(DECIDED, trace_id=TRACE, span_id=SPAN), 17)
    ids = {name: record.pop(name) for name in ("traceId", "spanId")}  # hexadecimal in OTLP's JSON, as they came
    request = ParseDict(exported([record]), ExportLogsServiceRequest())
    read = request.resource_logs[0].scope_logs[0].log_records[0]
    values = {pair.key: pair.value for pair in read.attributes}
    assert ids == {"traceId": TRACE, "spanId": SPAN}
    assert (read.event_name, read.time_unix_nano) == (EVENT, 17)
    assert values["gen_ai.evaluation.name"].string_value == "advice"
    assert values["gen_ai.evaluation.score.label"].string_value == "yes"
    assert values["gen_ai.evaluation.score.value"].double_value == 0.9


def test_a_failed_verdict_has_an_error_and_no_score():
    names = {pair["key"]: pair["value"] for pair in log_record(given(FAILED), 17)["attributes"]}
    assert names["error.type"] == {"stringValue": "deadline-exceeded"}
    assert "gen_ai.evaluation.score.value" not in names


@pytest.mark.parametrize("odd", ["call-17", TRACE[:-1], TRACE + "0", "g" * 32, "\u0660" * 32, "0" * 32, ""])
def test_what_is_no_id_of_a_trace_does_not_go_out_as_one(odd):
    assert "traceId" not in log_record(given(DECIDED, trace_id=odd), 17)
    assert "spanId" not in log_record(given(DECIDED, span_id=odd), 17)


def test_ids_go_out_in_small_letters():
    record = log_record(given(DECIDED, trace_id=TRACE.upper(), span_id=SPAN.upper()), 17)
    assert (record["traceId"], record["spanId"]) == (TRACE, SPAN)


def ids_in(request: httpx.Request) -> list[str]:
    records = json.loads(request.content)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    values = [(pair["key"], pair["value"]) for one in records for pair in one["attributes"]]
    return [value["stringValue"] for key, value in values if key == "assay.verdict.id"]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_what_a_collector_will_never_take_is_dropped_and_does_not_hold_up_the_rest(status):
    statuses, taken = iter([status, 200]), []

    def collector(request: httpx.Request) -> httpx.Response:
        answer = httpx.Response(next(statuses))
        if answer.is_success:
            taken.extend(ids_in(request))
        return answer

    telemetry = Telemetry("http://collector")
    for number in range(BATCH + 1):
        telemetry.add(given(DECIDED, number=number))
    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        assert [await telemetry.step(client), await telemetry.step(client)] == [True, True]
    assert taken == [f"vd_{BATCH}"]


@pytest.mark.anyio
@pytest.mark.parametrize("came_meanwhile", [0, 1, BATCH, BATCH + 1])
async def test_while_a_collector_is_away_the_newest_are_kept(came_meanwhile):
    telemetry, taken = Telemetry("http://collector"), []
    for number in range(MOST_WAITING):
        telemetry.add(given(DECIDED, number=number))

    def away(request: httpx.Request) -> httpx.Response:
        for number in range(came_meanwhile):
            telemetry.add(given(DECIDED, number=MOST_WAITING + number))
        raise httpx.ConnectError("away")

    async with httpx.AsyncClient(transport=httpx.MockTransport(away)) as client:
        assert not await telemetry.step(client)

    def back(request: httpx.Request) -> httpx.Response:
        taken.extend(ids_in(request))
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(back)) as client:
        for _ in range(MOST_WAITING // BATCH):
            assert await telemetry.step(client)
    assert taken == [f"vd_{came_meanwhile + number}" for number in range(MOST_WAITING)]


def test_headers_are_read_as_opentelemetry_writes_them():
    assert read_headers("authorization=Bearer%20a=b, x-team = judges ,") == {
        "authorization": "Bearer a=b", "x-team": "judges"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "secret-without-a-name", "=secret", "x y=secret", "x=a%0d%0aSet-Cookie: b"])
def test_headers_that_are_none_are_refused_without_showing_them(text):
    with pytest.raises(InputError, match="headers") as refused:
        read_headers(text)
    assert "secret" not in str(refused.value)


@pytest.mark.anyio
async def test_headers_go_along():
    seen = []

    def collector(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200)

    telemetry = Telemetry("http://collector", {"authorization": "Bearer key"})
    telemetry.add(given(DECIDED))
    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        await telemetry.step(client)
    assert seen == ["Bearer key"]
    assert "Bearer key" not in repr(telemetry)


@pytest.mark.anyio
async def test_what_a_collector_does_not_take_is_sent_again_in_order():
    taken: list[str] = []
    statuses: Iterator[int] = iter([503, 200, 200])

    def collector(request: httpx.Request) -> httpx.Response:
        status = next(statuses)
        if status == 200:
            taken.extend(ids_in(request))
        return httpx.Response(status)

    telemetry = Telemetry("http://collector")
    for number in range(BATCH + 1):
        telemetry.add(given(DECIDED, number))
    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        assert [await telemetry.step(client) for _ in range(3)] == [False, True, True]
    assert taken == [f"vd_{number}" for number in range(BATCH + 1)]
