"""Between HTTP and the service: who calls, how long there is, and a body as an `Asked`."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, Request
from starlette.responses import Response

from assay.inference.engine import Priority
from assay.schema.criterion import Field
from assay.schema.errors import AssayError, InputError, NotFoundError, shown
from assay.schema.verdict import Mode
from assay.server.bodies import ExampleBody
from assay.server.limits import check_request
from assay.server.problems import status_of, told
from assay.server.running import Serving
from assay.serving.asked import Answered, Asked
from assay.serving.kept_text import KeptText
from assay.serving.verdict_shape import plain_verdict
from assay.store.keys import ApiKey, Scope

DeadlineHeader: TypeAlias = Annotated[
    str | None,
    Header(
        alias="X-Assay-Deadline-Ms",
        description="Milliseconds there are for the answer, as `deadline_ms`.",
        examples=["250"],
    ),
]
IdempotencyHeader: TypeAlias = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="The same key again gives the same answer, for a day.",
        examples=["order-17"],
    ),
]


_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")  # W3C


async def serving_here(request: Request) -> Serving:  # FastAPI would send a plain function to a thread
    """The server's parts."""
    serving: Serving = request.app.state.serving
    return serving


ServingHere: TypeAlias = Annotated[Serving, Depends(serving_here)]


class Needs:
    """A dependency: the caller's key, which must hold this scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    async def __call__(self, request: Request) -> ApiKey:
        """Raises NotAllowedError, ScopeError, HostError, TooFastError."""
        serving: Serving = request.app.state.serving
        headers = request.headers
        return await serving.access.caller(headers.get("authorization"), self._scope, headers.get("host", ""))


MayJudge: TypeAlias = Annotated[ApiKey, Depends(Needs("judge"))]
MayLabel: TypeAlias = Annotated[ApiKey, Depends(Needs("label"))]
MayRead: TypeAlias = Annotated[ApiKey, Depends(Needs("read"))]


def request_id_of(request: Request) -> str:
    """The request's id."""
    return str(request.scope["assay_request_id"])


def deadline_of(serving: Serving, in_body: int | None, in_header: str | None, *, several: bool = False) -> float:
    """When the answer must be there, on the monotonic clock. The shorter of the two holds; where there is none, there
    is more time for `several` examples. Raises InputError.
    """
    limits = serving.limits
    given = [value for value in (in_body, _milliseconds(in_header)) if value is not None]
    otherwise = limits.batch_deadline_ms if several else limits.deadline_ms
    return time.monotonic() + min([*given, limits.max_deadline_ms] if given else [otherwise]) / 1000


def _milliseconds(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 600_000 and len(text) < 9:  # noqa: PLR2004
        return int(text)
    raise InputError("X-Assay-Deadline-Ms is a time.", required="whole milliseconds from 1 to 600000", got=shown(text))


def asked_for(  # noqa: PLR0913 - what there is to say of a request
    request: Request,
    judges: list[str],
    example: ExampleBody,
    *,
    deadline_s: float,
    mode: Mode = "single-token",
    priority: Priority = Priority.GUARDRAIL,
    waits: bool = False,
) -> Asked:
    """One example for these judges. Raises InputError where that is more than a request may ask for."""
    request_id, serving = request_id_of(request), request.app.state.serving
    calling = _TRACE_PARENT.fullmatch(request.headers.get("traceparent", ""))
    asked = Asked(
        request_id=request_id,
        judges=tuple(judges),
        values=example.values(),
        deadline_s=deadline_s,
        key=example.group or example.id or request_id,
        mode=mode,
        priority=priority,
        waits=waits,
        trace_id=getattr(example, "trace_id", None) or (calling and calling["trace"]),
        span_id=getattr(example, "span_id", None) or (calling and calling["span"]),
    )
    check_request(serving.limits, judges=len(judges), chars=asked.chars)
    return asked


async def ask_about_text(  # noqa: PLR0913 - as asked_for
    serving: Serving,
    ref: str,
    values: Callable[[Sequence[Field]], Mapping[str, Any]],
    *,
    request_id: str,
    key: str,
    deadline_s: float,
    waits: bool = False,
) -> Answered:
    """Ask one judge where the body does not say which field a text is: `values` makes them of the fields it reads."""
    criterion = await serving.service.criterion(ref, key=key, deadline_s=deadline_s)
    asked = Asked(
        request_id=request_id,
        judges=(ref,),
        values=values(criterion.reads),
        deadline_s=deadline_s,
        key=key,
        waits=waits,
    )
    check_request(serving.limits, judges=1, chars=asked.chars)
    return await serving.service.judge(asked, serving.recorder)


def text_as(field: Field, text: str) -> dict[str, Any]:
    """A text as the values of a field."""
    return {"messages": [{"role": "user", "content": text}]} if field == "turns" else {field: text}


def champions(serving: Serving, otherwise: str) -> tuple[str, ...]:
    """Every champion. Raises NotFoundError where there is none; `otherwise` says how a judge is named."""
    found = serving.service.table.champions()
    if not found:
        raise NotFoundError(
            "There is no champion.", required=f"a judge that was promoted, or {otherwise}", next_step="assay promote"
        )
    return found


def check_judges(serving: Serving, refs: Sequence[str], key: str) -> None:
    """Raises InputError, NotFoundError for a judge that there is not, before any of several examples is judged."""
    for ref in refs:
        serving.service.table.route(ref, key=key, canary_share=0.0)


def plain_answer(answered: Answered, kept: KeptText | None = None) -> dict[str, Any]:
    """An answer as JSON values; with no more text in it than may be `kept`, where it will be."""
    given = [one.given if kept is None else kept.of_verdict(one.given) for one in answered.verdicts]
    return {
        "request_id": answered.request_id,
        "action": answered.action,
        "verdicts": [plain_verdict(one) for one in given],
    }


def plain_problem(error: AssayError) -> dict[str, Any]:
    """What stands in the place of one of several answers where there is none."""
    return {"status": status_of(error), **told(error)}


def json_response(text: str, status: int = 200) -> Response:
    """An answer from JSON text."""
    return Response(text, status, media_type="application/json")
