"""Telemetry: tells an OpenTelemetry collector of every verdict, as an event of the span that was judged.

`gen_ai.evaluation.result` events (GenAI semantic conventions) go as OTLP over HTTP to `otlp_endpoint` of [serving], an
address of the workspace's owner. They are sent some at a time in the background; while the collector is away the newest
are kept and the oldest forgotten: verdicts themselves are kept elsewhere. They hold no text.
"""

import asyncio
import logging
import time
from collections import deque
from typing import Any

import httpx

from assay.store.verdicts import GivenVerdict

EVENT = "gen_ai.evaluation.result"
MOST_WAITING = 10_000
BATCH = 500
EVERY_S = 1.0
TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)


class Telemetry:
    """Sends to one collector."""

    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint.rstrip('/')}/v1/logs"
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
        """Send what waits, up to a batch. False where the collector did not take it."""
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        try:
            answer = await client.post(self._url, json=exported(batch))
            problem = "" if answer.is_success else f"status {answer.status_code}"
        except httpx.HTTPError as error:
            problem = type(error).__name__
        if problem:
            _log.warning("the collector did not take verdicts", extra={"problem": problem, "waiting": len(batch)})
            self._waiting.extendleft(reversed(batch[-(MOST_WAITING - len(self._waiting)) :]))
        return not problem


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
    if given.trace_id is not None:
        record["traceId"] = given.trace_id
    if given.span_id is not None:
        record["spanId"] = given.span_id
    return record


def _attribute(name: str, value: str | float) -> dict[str, Any]:
    return {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"doubleValue": value}}
