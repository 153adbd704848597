"""OTLP export requests as an instrumented application sends them."""

import json
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from assay.ingest.otlp import PROTOBUF_TYPE

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def text_of(value: str) -> dict[str, str]:
    return {"stringValue": value}


def span(
    span_id: str = SPAN,
    question: str = "Which fund?",
    reply: str = "Buy Apex now.",
    trace_id: str = TRACE,
    start: int = 1,
    **attributes: str,
) -> dict[str, Any]:
    said = {
        "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{question}"}}]}}]',
        "gen_ai.output.messages": f'[{{"role":"assistant","parts":[{{"type":"text","content":"{reply}"}}]}}]',
        **attributes,
    }
    pairs = [{"key": key, "value": text_of(value)} for key, value in said.items()]
    return {
        "traceId": trace_id,
        "spanId": span_id,
        "name": "chat",
        "startTimeUnixNano": str(start),
        "attributes": pairs,
    }


def exported(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def encoded(media_type: str, *spans: dict[str, Any]) -> bytes:
    """An export of these spans, as JSON or as protobuf, whose ids are bytes and not hexadecimal text."""
    if media_type != PROTOBUF_TYPE:
        return json.dumps(exported(*spans)).encode()
    without_ids = [{name: value for name, value in one.items() if name not in ("traceId", "spanId")} for one in spans]
    request = ParseDict(exported(*without_ids), trace_service_pb2.ExportTraceServiceRequest())
    for message, one in zip(request.resource_spans[0].scope_spans[0].spans, spans, strict=True):
        message.trace_id, message.span_id = bytes.fromhex(one["traceId"]), bytes.fromhex(one["spanId"])
    return request.SerializeToString()
