"""`POST /v1/judge` and `POST /v1/judge/batch`: the synchronous way in."""

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay.inference.engine import Priority
from assay.schema.errors import AssayError, OverloadedError
from assay.server.asking import (
    DeadlineHeader,
    IdempotencyHeader,
    MayJudge,
    ServingHere,
    asked_for,
    check_judges,
    deadline_of,
    plain_answer,
    plain_problem,
    request_id_of,
)
from assay.server.bodies import AnswerBody, BatchAnswerBody, BatchBody, ExampleBody, JudgeBody
from assay.server.limits import check_request
from assay.server.once import once
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.serving.asked import Answered, Asked
from assay.serving.kept_text import KeptText
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
        answer = plain_answer(await _answered(serving, asked), _kept(serving, idempotency_key))
        return Answer(status=200, body=json.dumps(answer))

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

    Each example has its own answer, or `{"problem": …}` in the shape of problem JSON where it cannot be judged. Those
    for which there is no room at once wait for it until the deadline (`batch_deadline_ms` where none is given).
    """

    async def run() -> Answer:
        until = deadline_of(serving, body.deadline_ms, deadline_ms, several=True)
        check_request(serving.limits, judges=len(body.judges), chars=0)
        check_judges(serving, body.judges, request_id_of(request))
        kept = _kept(serving, idempotency_key)
        one = (_one(serving, request, body, example, until, kept) for example in body.examples)
        answers = await asyncio.gather(*one)
        return Answer(status=200, body=json.dumps({"request_id": request_id_of(request), "answers": answers}))

    return await once(serving, caller, request, idempotency_key, run)


async def _one(
    serving: Serving, request: Request, body: BatchBody, example: ExampleBody, until: float, kept: KeptText | None
) -> dict[str, Any]:
    try:
        asked = asked_for(
            request, body.judges, example, deadline_s=until, mode=body.mode, priority=Priority.BATCH, waits=True
        )
        return plain_answer(await _answered(serving, asked), kept)
    except AssayError as error:
        return {"problem": plain_problem(error)}


async def _answered(serving: Serving, asked: Asked) -> Answered:
    try:
        return await serving.service.judge(asked, serving.recorder)
    except OverloadedError as error:
        serving.instruments.refused(asked.priority, error.code)
        raise


def _kept(serving: Serving, idempotency_key: str | None) -> KeptText | None:
    """What may stand in an answer that is kept for its key, and is the same the first time."""
    return None if idempotency_key is None else serving.recorder.text
