"""Verdicts as OpenTelemetry events, read back by OpenTelemetry itself, and a collector that is away."""

import json
from collections.abc import Iterator

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from assay.schema.verdict import Decided, Failed
from assay.serving.telemetry import BATCH, EVENT, Telemetry, exported, log_record
from assay.store.verdicts import GivenVerdict

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DECIDED = Decided(label="yes", probability=0.9, probabilities={}, scores={}, judge="advice-3f2a91c0", latency_ms=1.0)
FAILED = Failed(reason="late", action="block", judge="advice-3f2a91c0", reason_code="deadline-exceeded")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def given(verdict, **more):
    return GivenVerdict(
        id="vd_1", request_id="r", name="advice", criterion="advice/1", role="champion", verdict=verdict, action="flag",
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


@pytest.mark.anyio
async def test_what_a_collector_does_not_take_is_sent_again_in_order():
    taken: list[str] = []
    statuses: Iterator[int] = iter([503, 200, 200])

    def collector(request: httpx.Request) -> httpx.Response:
        status = next(statuses)
        if status == 200:
            records = json.loads(request.content)["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
            taken.extend(
                pair["value"]["stringValue"]
                for one in records
                for pair in one["attributes"]
                if pair["key"] == "assay.verdict.id"
            )
        return httpx.Response(status)

    telemetry = Telemetry("http://collector")
    for number in range(BATCH + 1):
        telemetry.add(given(DECIDED, event_id=str(number)))
    async with httpx.AsyncClient(transport=httpx.MockTransport(collector)) as client:
        assert [await telemetry.step(client) for _ in range(3)] == [False, True, True]
    assert len(taken) == BATCH + 1
