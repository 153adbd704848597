"""`POST /v1/traces`: OTLP over HTTP, JSON or protobuf. GenAI spans become events for the judges of `trace_judges`.

A judge sees what its criterion's level says: each span, a trace, or a session; the latter two when nothing more of them
came for a quiet time. Until then they are open in the event queue, which outlives the process. A span that holds more
than one request may is rejected, as OTLP has it, and the others are taken.
"""

import asyncio
import time
import zlib
from collections import Counter

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay.inference.engine import Priority
from assay.ingest.otlp import JSON_TYPE, PROTOBUF_TYPE, GenAiSpan, spans_of
from assay.ingest.spans import conversation
from assay.schema.criterion import JudgedLevel
from assay.schema.errors import InputError
from assay.schema.records import to_jsonable
from assay.server.asking import MayJudge, ServingHere, deadline_of, request_id_of
from assay.server.limits import TooLargeError, check_tokens
from assay.server.otlp_answer import otlp_answer
from assay.server.problems import EVERYWHERE, documented, problem_response
from assay.server.running import Serving
from assay.serving.asked import chars_of
from assay.serving.settings import ServingSettings
from assay.store import events
from assay.store.events import Event

trace_routes = APIRouter(prefix="/v1", tags=["traces"], responses=EVERYWHERE)
_TAKEN = "Taken, but for the spans that `partialSuccess` counts"
_BINARY = {"type": "string", "format": "binary"}
_SPAN = {
    "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
    "spanId": "051581bf3cb55c13",
    "name": "chat gpt-5-mini",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {
            "key": "gen_ai.output.messages",
            "value": {
                "stringValue": '[{"role": "assistant", "parts": [{"type": "text", "content": "Buy Apex today."}]}]'
            },
        },
    ],
}
_SPANS = {"resourceSpans": [{"scopeSpans": [{"spans": [_SPAN]}]}]}
_BODY = {
    "content": {JSON_TYPE: {"schema": {"type": "object"}, "example": _SPANS}, PROTOBUF_TYPE: {"schema": _BINARY}},
    "required": True,
}


@trace_routes.post(
    "/traces",
    response_class=Response,
    responses={
        200: {"description": _TAKEN, "content": {JSON_TYPE: {}, PROTOBUF_TYPE: {}}},
        **documented(404, 409, 415, 501),
    },
    openapi_extra={"requestBody": _BODY},
)
async def take_spans(request: Request, serving: ServingHere, caller: MayJudge) -> Response:
    """Take spans; those of LLM calls are judged later, the others are passed over. Durable when it answers.

    Spans that hold more than `max_request_tokens` for all judges are rejected: `partialSuccess` says how many, and why.
    """
    del caller
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in (JSON_TYPE, PROTOBUF_TYPE):
        described = {
            "code": "bad-media-type",
            "problem": "Spans come as OTLP.",
            "required": f"{JSON_TYPE} or {PROTOBUF_TYPE}",
        }
        return problem_response(request_id_of(request), 415, described)
    body = await request.body()
    if request.headers.get("content-encoding", "").lower() == "gzip":
        body = _unpacked(body, serving.limits.max_body_bytes)
    spans, too_large = _fitting(serving.limits, spans_of(body, media_type))
    if spans and serving.limits.trace_judges:
        levels = [(ref, await _level(serving, ref)) for ref in serving.limits.trace_judges]
        late = await asyncio.to_thread(_gather, serving, levels, spans, request_id_of(request))
        for ref, count in late.items():
            serving.instruments.late_spans(ref, serving.limits.late_spans, count)
        serving.worker.wake()
    if too_large:
        serving.instruments.refused(Priority.ASYNCHRONOUS, TooLargeError.code, len(too_large))
    answer = otlp_answer(media_type, rejected=len(too_large), why=str(too_large[0]) if too_large else "")
    return Response(answer, media_type=media_type)


def _fitting(limits: ServingSettings, spans: list[GenAiSpan]) -> tuple[list[GenAiSpan], list[TooLargeError]]:
    """The spans that all judges of spans may be asked about, and what is wrong with the others."""
    fitting: list[GenAiSpan] = []
    too_large: list[TooLargeError] = []
    if not limits.trace_judges:
        return spans, too_large
    for span in spans:
        chars = chars_of(conversation([to_jsonable(span)]))
        try:
            check_tokens(limits, judges=len(limits.trace_judges), chars=chars)
        except TooLargeError as error:
            too_large.append(error)
        else:
            fitting.append(span)
    return fitting, too_large


async def _level(serving: Serving, ref: str) -> JudgedLevel:
    return (await serving.service.criterion(ref, key="", deadline_s=deadline_of(serving, None, None))).level


def _gather(
    serving: Serving, levels: list[tuple[str, JudgedLevel]], spans: list[GenAiSpan], request_id: str
) -> Counter[str]:
    """Add spans to the events of their levels. Returns how many came late, by judge."""
    limits, late = serving.limits, Counter[str]()
    quiet_s = {"span": 0.0, "trace": limits.trace_quiet_s, "session": limits.session_quiet_s}
    with serving.database.begin() as connection:
        for ref, level in levels:
            for key, together in _by_level(spans, level).items():
                ready_at_s = time.time() + quiet_s[level]
                first = together[0]
                body = {
                    "request_id": request_id,
                    "judges": [ref],
                    "key": first.session_id or first.trace_id,
                    "trace_id": first.trace_id,
                    "span_id": first.span_id if level == "span" else None,
                }
                event = Event(id=f"{level}-{key}-{ref}", body=body, ready_at_s=ready_at_s)
                plain = [to_jsonable(span) for span in together]
                late[ref] += events.gather(connection, event, plain, limits.late_spans)
    return late


def _by_level(spans: list[GenAiSpan], level: JudgedLevel) -> dict[str, list[GenAiSpan]]:
    groups: dict[str, list[GenAiSpan]] = {}
    for span in spans:
        key = {
            "span": f"{span.trace_id}-{span.span_id}",
            "trace": span.trace_id,
            "session": span.session_id or span.trace_id,
        }[level]
        groups.setdefault(key, []).append(span)
    return groups


def _unpacked(body: bytes, most: int) -> bytes:
    try:
        unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        data = unpacking.decompress(body, most + 1)
    except zlib.error:
        raise InputError("The body is not gzip.", required="Content-Encoding: gzip as it says") from None
    if len(data) > most:
        raise InputError("The unpacked body is too large.", required=f"at most {most} bytes")
    return data
