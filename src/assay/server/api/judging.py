"""`POST /v1/judge` and `POST /v1/judge/batch`: the synchronous way in."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay.inference.engine import Priority
from assay.schema.errors import InputError, OverloadedError
from assay.server.asking import (
    DeadlineHeader,
    IdempotencyHeader,
    MayJudge,
    ServingHere,
    asked_for,
    deadline_of,
    plain_answer,
    request_id_of,
)
from assay.server.bodies import AnswerBody, BatchAnswerBody, BatchBody, ExampleBody, JudgeBody
from assay.server.once import once
from assay.server.problems import EVERYWHERE, documented, status_of
from assay.server.running import Serving
from assay.serving.asked import Asked
from assay.store.answers import Answer

judging_routes = APIRouter(prefix="/v1", tags=["judging"], responses=EVERYWHERE)
MAY_BE_ABSENT = documented(404, 409, 415)


@judging_routes.post("/judge", response_model=AnswerBody, responses=MAY_BE_ABSENT)
async def judge(
    body: JudgeBody,
    request: Request,
    serving: ServingHere,
    caller: MayJudge,
    deadline_ms: DeadlineHeader = None,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Judge one example with one judge or several, before a deadline.

    Where a judge cannot answer in time its declared fallback does; `route` says who spoke. 429 has a `Retry-After`.
    """

    async def run() -> Answer:
        until = deadline_of(serving, body.deadline_ms, deadline_ms)
        asked = asked_for(request, body.judges, body, deadline_s=until, mode=body.mode)
        return Answer(status=200, body=json.dumps(await _answered(serving, asked)))

    return await once(serving, caller, request, idempotency_key, run)


@judging_routes.post("/judge/batch", response_model=BatchAnswerBody, responses=MAY_BE_ABSENT)
async def judge_batch(
    body: BatchBody,
    request: Request,
    serving: ServingHere,
    caller: MayJudge,
    deadline_ms: DeadlineHeader = None,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Judge several examples with the same judges, behind everything that is more urgent.

    Each example has its own answer, or `{"problem": …}` in the shape of problem JSON where it cannot be judged.
    """

    async def run() -> Answer:
        until = deadline_of(serving, body.deadline_ms, deadline_ms)
        one = (_one(serving, request, body, example, until) for example in body.examples)
        answers = await asyncio.gather(*one)
        return Answer(status=200, body=json.dumps({"request_id": request_id_of(request), "answers": answers}))

    return await once(serving, caller, request, idempotency_key, run)


async def _one(
    serving: Serving, request: Request, body: BatchBody, example: ExampleBody, until: float
) -> dict[str, Any]:
    asked = asked_for(request, body.judges, example, deadline_s=until, mode=body.mode, priority=Priority.BATCH)
    try:
        return await _answered(serving, asked)
    except InputError as error:
        return {"problem": {"status": status_of(error), **error.to_dict()}}


async def _answered(serving: Serving, asked: Asked) -> dict[str, Any]:
    try:
        return plain_answer(await serving.service.judge(asked, serving.recorder))
    except OverloadedError as error:
        serving.instruments.refused(asked.priority, error.code)
        raise
