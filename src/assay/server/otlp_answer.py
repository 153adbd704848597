"""What `POST /v1/traces` answers: OTLP's ExportTraceServiceResponse, empty where every span was taken.

Of spans that were not it says how many and why (`partial_success`, status 200): a sender does not send those again.
"""

import json

from assay.ingest.otlp import PROTOBUF_TYPE


def otlp_answer(media_type: str, *, rejected: int = 0, why: str = "") -> bytes:
    """The body, in the encoding of the request.

    >>> otlp_answer("application/json")
    b'{}'
    >>> otlp_answer("application/json", rejected=2, why="Too long.")
    b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "Too long."}}'
    """
    if media_type == PROTOBUF_TYPE:
        return _protobuf(rejected, why) if rejected else b""
    if not rejected:
        return b"{}"
    told = {"rejectedSpans": str(rejected), "errorMessage": why}  # 64-bit integers are texts in protobuf's JSON
    return json.dumps({"partialSuccess": told}).encode()


def _protobuf(rejected: int, why: str) -> bytes:
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415 - an extra; it read the request

    answer = trace_service_pb2.ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = why
    return answer.SerializeToString()
