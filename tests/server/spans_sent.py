"""OTLP export requests as an instrumented application sends them."""

from typing import Any

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
