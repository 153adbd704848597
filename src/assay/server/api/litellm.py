"""`POST /beta/litellm_basic_guardrail_api`: LiteLLM's generic guardrail API, so that its proxy needs no code of ours.

The judges stand in the address, `api_base: http://…/guard/advice,injection` in LiteLLM's file, for callers of a proxy
may add parameters to a guardrail's request; without them every champion is asked. LiteLLM says itself what holds when
this server cannot answer (`fail_on_error`, `unreachable_fallback`; closed by default), so an outage, a key or an
address that is refused is a problem here. What cannot be judged for what the proxy's caller wrote is BLOCKED: were it
a problem too, `fail_on_error: false` would let a caller switch the guard off.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from assay.inference.engine import Priority
from assay.schema.criterion import Field as ReadField
from assay.schema.errors import InputError, OverloadedError, shown
from assay.server.asking import (
    DeadlineHeader,
    ServingHere,
    ask_about_text,
    champions,
    deadline_of,
    json_response,
    request_id_of,
    text_as,
)
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.store.keys import ApiKey
from assay.store.verdicts import GivenVerdict

PATH = "/beta/litellm_basic_guardrail_api"
MOST_TEXTS = 64
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,64}")
_TEXT_KINDS = ("text", "input_text", "output_text")
_BY_USERS = ("user", "human")
_UNREADABLE = 400


class GuardrailBody(BaseModel):
    """As LiteLLM's; what it sends beside these fields is not looked at."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"input_type": "response", "texts": ["Put it all into Apex today."]}]}
    )

    input_type: Literal["request", "response"]
    texts: list[str] | None = None
    structured_messages: list[dict[str, Any]] | None = Field(
        default=None, description="The conversation, for requests to chat endpoints."
    )
    litellm_call_id: str | None = Field(default=None, description="Becomes the request's id, where it can be one.")
    litellm_trace_id: str | None = Field(default=None, description="Keeps a conversation with one version.")
    additional_provider_specific_params: dict[str, Any] | None = Field(default=None, description="Must be empty.")


class GuardrailAnswer(BaseModel):
    """As LiteLLM's. No text is ever changed, so there is no GUARDRAIL_INTERVENED."""

    action: Literal["NONE", "BLOCKED"]
    blocked_reason: str | None = None


class _BlockingRoute(APIRoute):
    """A route that blocks a body that is not of its shape, unless that is LiteLLM's doing: `input_type` is its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        handle = super().get_route_handler()

        async def handle_or_block(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                where = [found["loc"] for found in error.errors()]
                if not any(loc[0] == "body" and loc[1:2] and loc[1] in _BY_CALLERS for loc in where):
                    raise
                return _blocked(["the message has a shape that cannot be judged"])
            except HTTPException as error:  # FastAPI's, for JSON nested too deeply to be read
                if error.status_code != _UNREADABLE:
                    raise
                return _blocked(["the message cannot be read"])

        return handle_or_block


litellm_routes = APIRouter(tags=["litellm"], responses=EVERYWHERE, route_class=_BlockingRoute)
_BY_CALLERS = frozenset(GuardrailBody.model_fields) - {"input_type"}


@dataclass(frozen=True, kw_only=True)
class _Said:
    """One thing to judge: an answer of a model, or what a user said, with the conversation where it is known."""

    text: str
    is_answer: bool
    messages: Sequence[Mapping[str, Any]] = ()


async def _caller(request: Request) -> ApiKey:
    """The caller, by our header or by the one that LiteLLM sends its `api_key` in."""
    serving: Serving = request.app.state.serving
    theirs = request.headers.get("x-api-key")
    header = request.headers.get("authorization") or (f"Bearer {theirs}" if theirs else None)
    return await serving.access.caller(header, "judge", request.headers.get("host", ""))


MayGuard: TypeAlias = Annotated[ApiKey, Depends(_caller)]


@litellm_routes.post(PATH, response_model=GuardrailAnswer, responses=documented(404, 415))
async def guard_with_champions(
    body: GuardrailBody, request: Request, serving: ServingHere, caller: MayGuard, deadline_ms: DeadlineHeader = None
) -> Response:
    """Every champion judges what LiteLLM sends. BLOCKED where the action of a verdict is block."""
    del caller
    every = champions(serving, "an address that names one: /guard/NAME@ALIAS")
    return await _guarded(body, request, serving, every, deadline_ms)


@litellm_routes.post("/guard/{judges}" + PATH, response_model=GuardrailAnswer, responses=documented(404, 415))
async def guard_with_judges(
    judges: str,
    body: GuardrailBody,
    request: Request,
    serving: ServingHere,
    caller: MayGuard,
    deadline_ms: DeadlineHeader = None,
) -> Response:
    """The judges that the address names, divided by commas, judge what LiteLLM sends."""
    del caller
    named = tuple(part.strip() for part in judges.split(",") if part.strip())
    if not 0 < len(named) <= serving.limits.max_judges:
        required = f"1 to {serving.limits.max_judges}, divided by commas"
        raise InputError("The address names the judges.", required=required, got=shown(judges))
    return await _guarded(body, request, serving, named, deadline_ms)


async def _guarded(
    body: GuardrailBody, request: Request, serving: Serving, judges: Sequence[str], deadline_ms: str | None
) -> Response:
    if body.additional_provider_specific_params:
        return _blocked(["this guardrail takes no parameters: those who call the proxy could change them"])
    until = deadline_of(serving, None, deadline_ms)
    try:
        said = _all_said(body)
        async with asyncio.TaskGroup() as group:  # none goes on after one was refused
            asking = [_judged(serving, request, body, ref, one, until) for one in said for ref in judges]
            tasks = [group.create_task(one) for one in asking]
    except InputError as error:
        return _blocked([_unjudged(error)])
    except BaseExceptionGroup as errors:
        first = errors.exceptions[0]
        if isinstance(first, OverloadedError):
            serving.instruments.refused(Priority.GUARDRAIL, first.code)
        raise first from None
    return _blocked([reason for task in tasks for reason in task.result()])


def _blocked(reasons: Sequence[str]) -> Response:
    """BLOCKED where there is a reason."""
    answer = GuardrailAnswer(action="BLOCKED" if reasons else "NONE")
    if reasons:
        answer.blocked_reason = "; ".join(dict.fromkeys(reasons))
    return json_response(answer.model_dump_json(exclude_none=True))


async def _judged(
    serving: Serving, request: Request, body: GuardrailBody, ref: str, said: _Said, until: float
) -> list[str]:
    """Why a judge blocks what was said; nothing where it does not. Raises AssayError where it cannot be asked."""
    request_id = body.litellm_call_id or ""
    request_id = request_id if _REQUEST_ID.fullmatch(request_id) else request_id_of(request)
    key = body.litellm_trace_id or request_id
    asking = ask_about_text(
        serving, ref, lambda reads: _values(said, reads), request_id=request_id, key=key, deadline_s=until
    )
    try:
        answered = await asking
    except InputError as error:
        return [_unjudged(error)]
    return [_because(one.given) for one in answered.verdicts if one.given.action == "block"]


def _all_said(body: GuardrailBody) -> list[_Said]:
    """What is there to judge. Nothing is also an answer: a model may only have called tools.

    What a user says is judged even where it is a picture alone, or blank: then it cannot be, and is blocked.
    Raises InputError.
    """
    is_answer = body.input_type == "response"
    messages = [] if is_answer else [_plain(message) for message in body.structured_messages or ()]
    by_users = [message["content"] for message in messages if message["role"] in _BY_USERS]
    if by_users:
        return [_Said(text=by_users[-1], is_answer=False, messages=messages)]
    texts = [text for text in body.texts or () if text.strip()]
    if len(texts) > MOST_TEXTS:
        raise InputError("There are too many texts.", required=f"at most {MOST_TEXTS}", got=str(len(texts)))
    return [_Said(text=text, is_answer=is_answer) for text in texts]


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with its text alone: images and whatever else it holds are not judged."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") in _TEXT_KINDS]
        content = "\n".join(str(part.get("text", "")) for part in parts)
    plain = {"role": message.get("role"), "content": content or ""}
    calls = message.get("tool_calls")
    return {**plain, "tool_calls": calls} if isinstance(calls, list) else plain


def _values(said: _Said, reads: Sequence[ReadField]) -> dict[str, Any]:
    """The conversation for a criterion that judges what users say; else the text, as the field that is judged."""
    if said.messages and "output" not in reads:
        return {"messages": said.messages}
    field = "output" if said.is_answer and "output" in reads else reads[-1]
    return text_as(field, said.text)


def _unjudged(error: InputError) -> str:
    """Why something cannot be judged, in words that hold nothing of it."""
    return f"cannot be judged: {error.problem}"


def _because(given: GivenVerdict) -> str:
    verdict = given.verdict
    if verdict.kind == "decided":
        return f"{verdict.judge}: {verdict.label}, {verdict.probability:.3f}"
    return f"{verdict.judge}: {verdict.kind}, {verdict.reason_code}"
