"""Telemetry: tells an OpenTelemetry collector of every verdict, as an event of the span that was judged.

`gen_ai.evaluation.result` events (GenAI semantic conventions) go as OTLP over HTTP to `otlp_endpoint` of [serving], an
address of the workspace's owner. They are sent some at a time in the background; while the collector is away the newest
are kept and the oldest forgotten, and what it refuses for good is dropped: verdicts themselves are kept elsewhere. They
hold no text.
"""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx

from assay.schema.errors import InputError
from assay.store.verdicts import GivenVerdict

EVENT = "gen_ai.evaluation.result"
MOST_WAITING = 10_000
BATCH = 500
EVERY_S = 1.0
TIMEOUT_S = 5.0
AGAIN = (429, 502, 503, 504)  # OTLP: the same may be taken later; after any other refusal it must not be sent again

_TRACE_ID = re.compile(r"(?!0+$)[0-9a-fA-F]{32}")
_SPAN_ID = re.compile(r"(?!0+$)[0-9a-fA-F]{16}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"[\x20-\x7e]+")
_log = logging.getLogger(__name__)


class Telemetry:
    """Sends to one collector, with these headers."""

    def __init__(self, endpoint: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/logs"
        self._headers = dict(headers or {})
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MOST_WAITING)

    def add(self, given: GivenVerdict) -> None:
        """A verdict was given."""
        self._waiting.append(log_record(given, time.time_ns()))

    async def run(self) -> None:
        """Send for ever."""
        async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
            while True:
                await asyncio.sleep(EVERY_S)
                while self._waiting and await self.step(client):
                    pass

    async def step(self, client: httpx.AsyncClient) -> bool:
        """Send what waits, up to a batch. False where the collector is to be asked again later."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            answer = await client.post(self._url, json=exported(batch), headers=self._headers)
        except httpx.HTTPError as error:
            problem, again = type(error).__name__, True
        else:
            if answer.is_success:
                return True
            problem, again = f"status {answer.status_code}", answer.status_code in AGAIN
        said = "the collector did not take verdicts" if again else "the collector refused verdicts; they are dropped"
        _log.warning(said, extra={"problem": problem, "verdicts": len(batch)})
        if again:
            room = MOST_WAITING - len(self._waiting)
            self._waiting.extendleft(reversed(batch[max(len(batch) - room, 0) :]))
        return not again


def read_headers(text: str) -> dict[str, str]:
    """Headers as OTEL_EXPORTER_OTLP_HEADERS writes them: `name=value,name=value`, values percent-encoded.

    Raises InputError, which does not show them.

    >>> read_headers("authorization=Bearer%20abc,x-team=judges")
    {'authorization': 'Bearer abc', 'x-team': 'judges'}
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    headers = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
    good = [_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value) for name, value in headers.items()]
    if not headers or not all(good):
        raise InputError(
            "The collector's headers cannot be read.",
            required="name=value,name=value with percent-encoded values",
            got=f"{len(text)} characters",
        )
    return headers


def exported(records: list[dict[str, Any]]) -> dict[str, Any]:
    """An OTLP ExportLogsServiceRequest as JSON."""
    resource = {"attributes": [_attribute("service.name", "assay")]}
    scope = {"name": "assay"}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]}


def log_record(given: GivenVerdict, at_ns: int) -> dict[str, Any]:
    """A verdict as an event, linked to its span where it has one."""
    verdict = given.verdict
    attributes: dict[str, Any] = {
        "gen_ai.evaluation.name": given.name,
        "assay.judge": verdict.judge,
        "assay.verdict.id": given.id,
        "assay.action": given.action,
        "assay.route": verdict.route,
    }
    if verdict.kind == "decided":
        attributes["gen_ai.evaluation.score.label"] = verdict.label
        attributes["gen_ai.evaluation.score.value"] = verdict.probability
    else:
        attributes["error.type"] = verdict.reason_code
    record: dict[str, Any] = {
        "timeUnixNano": str(at_ns),
        "eventName": EVENT,
        "attributes": [_attribute(name, value) for name, value in attributes.items()],
    }
    if _TRACE_ID.fullmatch(given.trace_id or ""):  # callers may give any word; a collector refuses a batch with one
        record["traceId"] = str(given.trace_id).lower()
    if _SPAN_ID.fullmatch(given.span_id or ""):
        record["spanId"] = str(given.span_id).lower()
    return record


def _attribute(name: str, value: str | float) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"doubleValue": value}}
