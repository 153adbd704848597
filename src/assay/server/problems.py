"""Problems: every answer that is not a success has one shape, problem JSON (RFC 9457).

`type` and `code` say what kind it is, `detail` is a sentence, `required`, `got` and `next_step` are there where they
help, `instance` is the request's id. No answer carries a caller's whole text, a stack, or a path of this machine.
"""

import json
import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from assay.schema.errors import AssayError, OverloadedError, shown

MEDIA_TYPE = "application/problem+json"
STATUSES = {
    "bad-input": 422,
    "too-large": 413,
    "not-found": 404,
    "conflict": 409,
    "refused": 403,
    "wrong-scope": 403,
    "wrong-host": 403,
    "not-allowed": 401,
    "too-fast": 429,
    "overloaded": 429,
    "deadline-exceeded": 504,
    "unsupported-judge": 422,
    "missing-extra": 501,
}
UNAVAILABLE = 503  # damaged, engine-lost, error (the database, the disk): the same request may succeed later
TITLES = {
    400: "Bad request",
    401: "Not allowed in",
    403: "Refused",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not acceptable input",
    429: "Too much at once",
    500: "A mistake of ours",
    501: "Not installed",
    503: "Not available now",
    504: "Too late",
}
NOT_ALLOWED = 401
RETRY_AFTER_S = 1.0

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, and what to do."""

    type: str = Field(examples=["urn:assay:problem:bad-input"])
    title: str = Field(examples=["Not acceptable input"])
    status: int = Field(examples=[422])
    code: str = Field(examples=["bad-input"])
    detail: str = Field(examples=["Nothing to judge: output is missing or empty."])
    required: str | None = None
    got: str | None = None
    next_step: str | None = None
    instance: str | None = Field(default=None, examples=["req_01JD0000000000000000000000"])


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": TITLES[status], "content": content} for status in statuses}


EVERYWHERE = documented(400, 401, 403, 413, 422, 429, 500, 503)


def install(app: FastAPI) -> None:
    """Give every error of the application its shape."""
    app.exception_handler(AssayError)(_refused)
    app.exception_handler(RequestValidationError)(_malformed)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_ours)


def problem_response(
    request_id: str, status: int, described: dict[str, Any], retry_after_s: float | None = None
) -> Response:
    """An answer in the shape. `described` is what `AssayError.to_dict` gives."""
    body = {
        "type": f"urn:assay:problem:{described['code']}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "code": described["code"],
        "detail": described["problem"],
        **{part: described[part] for part in ("required", "got", "next_step") if described.get(part)},
        "instance": request_id,
    }
    headers = {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(math.ceil(retry_after_s), 1))
    if status == NOT_ALLOWED:
        headers["WWW-Authenticate"] = "Bearer"
    text = json.dumps(body, ensure_ascii=True)
    return Response(text, status, headers=headers, media_type=MEDIA_TYPE)


def status_of(error: AssayError) -> int:
    """The HTTP status of a refusal."""
    return STATUSES.get(error.code, UNAVAILABLE)


def told(error: AssayError) -> dict[str, Any]:
    """A refusal as callers see it: what this machine met (an address, a path) is for its log."""
    hidden = {"got"} if status_of(error) == UNAVAILABLE else set()
    return {name: part for name, part in error.to_dict().items() if name not in hidden}


def refusal(request_id: str, error: AssayError) -> Response:
    """A refusal as an answer."""
    status = status_of(error)
    retry_after_s = None
    if isinstance(error, OverloadedError):
        retry_after_s = error.retry_after_s
    elif status == UNAVAILABLE:
        retry_after_s = RETRY_AFTER_S
        _log.error("not available", extra={"request": request_id, **error.to_dict()})
    return problem_response(request_id, status, told(error), retry_after_s)


def _request_id(request: Request) -> str:
    return str(request.scope.get("assay_request_id", ""))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)  # noqa: S101 - it is registered for nothing else
    return refusal(_request_id(request), error)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        described = {"code": "bad-json", "problem": "The body is not JSON.", "required": "one JSON object in UTF-8"}
        return problem_response(_request_id(request), 400, described)
    where = ".".join(str(part) for part in first["loc"])
    described = {
        "code": "bad-input",
        "problem": f"{shown(where, 120)[1:-1]}: {first['msg']}.",
        "got": shown(first.get("input")),
        "next_step": "see /openapi.json",
    }
    return problem_response(_request_id(request), 422, described)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    described = {"code": _code(error.status_code), "problem": f"{error.detail}"}
    response = problem_response(_request_id(request), error.status_code, described)
    response.headers.update(error.headers or {})
    return response


def _code(status: int) -> str:
    return {400: "bad-json", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(status, "bad-request")


async def _ours(request: Request, error: Exception) -> Response:
    _log.error("a mistake of ours", exc_info=error, extra={"request": _request_id(request)})
    described = {"code": "internal", "problem": "Assay made a mistake.", "next_step": "report it with this instance"}
    return problem_response(_request_id(request), 500, described)
