"""The HTTP client of a server: `Client` and `AsyncClient`, with the same methods.

    from assay import Client

    with Client("http://127.0.0.1:8321", api_key="assay_…") as client:
        answer = client.judge("advice", input="Which fund?", output="Buy Apex now.")
        answer.action, answer.verdicts[0].label

Answers are those of `assay.served`. A refusal of the server is a ServerError with the server's own words. What is
refused for the moment (429, 503) is sent again after the time that the server names, as often as `retries` says. Knows
nothing of judges.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import httpx

from assay.schema.errors import AssayError
from assay.schema.label import LabelSource
from assay.schema.verdict import Mode
from assay.served import Answer, ServedEvent, ServedJudges, ServedLabel, ServedVerdict, Unjudged, served

DEFAULT_URL = "http://127.0.0.1:8321"
TIMEOUT_S = 90.0  # above the longest deadline that a server takes unless assay.toml says more
AGAIN = (429, 503)
LONGEST_PAUSE_S = 10.0


class ServerError(AssayError):
    """The server refused. `status` is the HTTP status, `code` the server's."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(
            str(problem.get("detail", f"The server answered {status}.")),
            required=str(problem.get("required", "")),
            got=str(problem.get("got", "")),
            next_step=str(problem.get("next_step", "")),
        )
        self.status = status
        self.code = str(problem.get("code", "error"))
        self.request_id = str(problem.get("instance", ""))


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One request, whichever client sends it."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


def _judge_call(
    judges: str | Sequence[str], fields: Mapping[str, Any], mode: Mode, deadline_ms: int | None, key: str | None
) -> _Call:
    names = [judges] if isinstance(judges, str) else list(judges)
    given = {name: value for name, value in fields.items() if value is not None}
    body: dict[str, Any] = {"judges": names, "mode": mode, **given}
    if deadline_ms is not None:
        body["deadline_ms"] = deadline_ms
    return _Call(method="POST", path="/v1/judge", body=body, headers=_key(key))


def _batch_call(
    judges: str | Sequence[str],
    examples: Sequence[Mapping[str, Any]],
    mode: Mode,
    deadline_ms: int | None,
    key: str | None,
) -> _Call:
    alone = _judge_call(judges, {"examples": [dict(example) for example in examples]}, mode, deadline_ms, key)
    return replace(alone, path="/v1/judge/batch")


def _key(key: str | None) -> Mapping[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def _events_call(events: Sequence[Mapping[str, Any]]) -> _Call:
    return _Call(method="POST", path="/v1/events", body={"events": [dict(event) for event in events]})


def _label_call(verdict_id: str, value: str, labeller: str, source: LabelSource, explanation: str | None) -> _Call:
    body = {"verdict_id": verdict_id, "value": value, "labeller": labeller, "source": source}
    if explanation is not None:
        body["explanation"] = explanation
    return _Call(method="POST", path="/v1/labels", body=body)


def _verdicts_call(query: Mapping[str, Any]) -> _Call:
    params = {name: value for name, value in query.items() if value is not None}
    return _Call(method="GET", path="/v1/verdicts", params=params)


def _several(values: Mapping[str, Any]) -> tuple[Answer | Unjudged, ...]:
    return tuple(
        served(Unjudged, one["problem"]) if "problem" in one else served(Answer, one) for one in values["answers"]
    )


def _verdicts(values: Mapping[str, Any]) -> tuple[ServedVerdict, ...]:
    return tuple(served(ServedVerdict, one) for one in values["verdicts"])


def _read(response: httpx.Response) -> Any:
    try:
        values = response.json()
    except ValueError:
        values = {}
    if response.is_success:
        return values
    raise ServerError(response.status_code, values if isinstance(values, dict) else {})


def _pause_s(response: httpx.Response) -> float:
    named = response.headers.get("retry-after", "1")
    return min(float(named) if named.isdigit() else 1.0, LONGEST_PAUSE_S)


def _headers(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


class Client:
    """A client that waits. Safe between threads; close it, or use it in a `with` statement.

    Args:
        url: of the server.
        api_key: where the server has keys.
        timeout_s: for one answer.
        retries: how often something that is refused for the moment is sent again.
        transport: another way to the server, for tests.

    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = 2,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport)
        self._retries = retries

    def judge(
        self,
        judges: str | Sequence[str],
        *,
        mode: Mode = "single-token",
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Answer:
        """Judge one example, given as `input`, `output`, `context`, `messages`, … Raises ServerError."""
        return served(Answer, self._send(_judge_call(judges, fields, mode, deadline_ms, idempotency_key)))

    def judge_batch(
        self,
        judges: str | Sequence[str],
        examples: Sequence[Mapping[str, Any]],
        *,
        mode: Mode = "single-token",
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Answer | Unjudged, ...]:
        """Judge up to 256 examples; for each, in order, an answer or why it has none.

        One without room in time is not sent again by itself. Raises ServerError where none is judged.
        """
        return _several(self._send(_batch_call(judges, examples, mode, deadline_ms, idempotency_key)))

    def send_events(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """Have examples judged later; durable when it returns. Returns the events' ids. Raises ServerError."""
        return tuple(self._send(_events_call(events))["event_ids"])

    def event(self, event_id: str) -> ServedEvent:
        """Where an event is, and its verdicts. Raises ServerError."""
        return served(ServedEvent, self._send(_Call(method="GET", path=f"/v1/events/{event_id}")))

    def label(
        self,
        verdict_id: str,
        value: str,
        *,
        labeller: str,
        source: LabelSource = "user",
        explanation: str | None = None,
    ) -> ServedLabel:
        """Say what a verdict should have been; of one that awaits people, the source `expert` makes it the answer in
        their queue. Raises ServerError.
        """
        return served(ServedLabel, self._send(_label_call(verdict_id, value, labeller, source, explanation)))

    def verdicts(self, **query: Any) -> tuple[ServedVerdict, ...]:
        """The newest verdicts: by `name`, `judge`, `kind`, `label`, `event_id`, `limit`, … Raises ServerError."""
        return _verdicts(self._send(_verdicts_call(query)))

    def verdict(self, verdict_id: str) -> ServedVerdict:
        """One verdict with what was judged, redacted. Raises ServerError."""
        return served(ServedVerdict, self._send(_Call(method="GET", path=f"/v1/verdicts/{verdict_id}")))

    def judges(self) -> ServedJudges:
        """The judges of the server, and what it could not load. Raises ServerError."""
        return served(ServedJudges, self._send(_Call(method="GET", path="/v1/judges")))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _send(self, call: _Call) -> Any:
        for left in range(self._retries, -1, -1):
            response = self._http.request(
                call.method, call.path, json=call.body, params=dict(call.params), headers=dict(call.headers)
            )
            if response.status_code not in AGAIN or not left:
                return _read(response)
            time.sleep(_pause_s(response))
        raise AssertionError  # the last round returned


class AsyncClient:
    """As `Client`, to be awaited."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport)
        self._retries = retries

    async def judge(
        self,
        judges: str | Sequence[str],
        *,
        mode: Mode = "single-token",
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Answer:
        """See Client."""
        return served(Answer, await self._send(_judge_call(judges, fields, mode, deadline_ms, idempotency_key)))

    async def judge_batch(
        self,
        judges: str | Sequence[str],
        examples: Sequence[Mapping[str, Any]],
        *,
        mode: Mode = "single-token",
        deadline_ms: int | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Answer | Unjudged, ...]:
        """See Client."""
        return _several(await self._send(_batch_call(judges, examples, mode, deadline_ms, idempotency_key)))

    async def send_events(self, events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """See Client."""
        return tuple((await self._send(_events_call(events)))["event_ids"])

    async def event(self, event_id: str) -> ServedEvent:
        """See Client."""
        return served(ServedEvent, await self._send(_Call(method="GET", path=f"/v1/events/{event_id}")))

    async def label(
        self,
        verdict_id: str,
        value: str,
        *,
        labeller: str,
        source: LabelSource = "user",
        explanation: str | None = None,
    ) -> ServedLabel:
        """See Client."""
        return served(ServedLabel, await self._send(_label_call(verdict_id, value, labeller, source, explanation)))

    async def verdicts(self, **query: Any) -> tuple[ServedVerdict, ...]:
        """See Client."""
        return _verdicts(await self._send(_verdicts_call(query)))

    async def verdict(self, verdict_id: str) -> ServedVerdict:
        """See Client."""
        return served(ServedVerdict, await self._send(_Call(method="GET", path=f"/v1/verdicts/{verdict_id}")))

    async def judges(self) -> ServedJudges:
        """See Client."""
        return served(ServedJudges, await self._send(_Call(method="GET", path="/v1/judges")))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: _Call) -> Any:
        for left in range(self._retries, -1, -1):
            response = await self._http.request(
                call.method, call.path, json=call.body, params=dict(call.params), headers=dict(call.headers)
            )
            if response.status_code not in AGAIN or not left:
                return _read(response)
            await asyncio.sleep(_pause_s(response))
        raise AssertionError  # the last round returned
