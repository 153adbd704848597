"""Envelope: what is the same around every request: its id, the limit of its body, the headers of its answer, its time.

Plain ASGI, so that it costs microseconds. A body is refused as soon as it is too long, whatever its headers said.
"""

import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.schema.ids import new_id
from assay.server.problems import problem_response
from assay.serving.instruments import Instruments

REQUEST_ID = b"x-request-id"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
TOO_LARGE = 413
_GIVEN_ID = re.compile(rb"[A-Za-z0-9_.:\-]{1,64}")


class _TooLarge(Exception):  # noqa: N818 - it does not leave this file
    """The body went over its limit."""


class _Body:
    """A request's body, up to a limit."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        self._declared = int(declared[:12]) if declared.isdigit() else 0
        self._receive, self._limit, self._seen = receive, limit, 0
        self.is_too_large = False

    async def receive(self) -> Message:
        """As ASGI's. Raises _TooLarge, which an application may take for something else: `is_too_large` stays."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if max(self._seen, self._declared) > self._limit:
                self.is_too_large = True
                raise _TooLarge
        return message


class Envelope:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, instruments: Instruments) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        scope["assay_request_id"] = request_id
        answered: dict[str, Any] = {"status": 500, "begun": False}
        body = _Body(scope, receive, self._max_body_bytes)

        async def sending(message: Message) -> None:
            if body.is_too_large and not answered["begun"]:
                return  # whatever the application made of it, the answer is 413
            if message["type"] == "http.response.start":
                answered.update(status=message["status"], begun=True)
                message["headers"] = _with_headers(message["headers"], request_id)
            await send(message)

        try:
            await self._app(scope, body.receive, sending)
        except _TooLarge:
            pass
        finally:
            if body.is_too_large and not answered["begun"]:
                answered.update(status=TOO_LARGE, begun=True)
                await self._too_large(request_id)(scope, receive, sending)
            self._instruments.http(_path(scope), scope["method"], answered["status"], time.perf_counter() - began)

    def _too_large(self, request_id: str) -> ASGIApp:
        required = f"at most {self._max_body_bytes} bytes"
        described = {"code": "too-large", "problem": "The body is too large.", "required": required}
        return problem_response(request_id, TOO_LARGE, described)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
    return given.decode() if _GIVEN_ID.fullmatch(given) else new_id("req")


def _with_headers(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    here = list(headers)
    present = {name.lower() for name, _ in here}
    ours = ((REQUEST_ID, request_id.encode()), *HEADERS)
    return [*here, *((name, value) for name, value in ours if name not in present)]


def _path(scope: Scope) -> str:
    """The template of the path, never the path itself: a caller must not make labels of metrics."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
