"""`POST /v1/moderations`: judges as OpenAI moderation categories; their client works with `base_url` changed."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from assay.ingest.turns import content_of
from assay.schema.errors import AssayError, InputError
from assay.schema.example import field_text
from assay.schema.ids import new_id
from assay.server.asking import (
    DeadlineHeader,
    IdempotencyHeader,
    MayJudge,
    ServingHere,
    ask_about_text,
    champions,
    check_judges,
    deadline_of,
    plain_problem,
    request_id_of,
    text_as,
)
from assay.server.once import once
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.serving.asked import Answered
from assay.store.answers import Answer
from assay.store.verdicts import GivenVerdict

moderation_routes = APIRouter(prefix="/v1", tags=["moderations"], responses=EVERYWHERE)
MOST_TEXTS = 64
_BY_CATEGORY = ("categories", "category_scores", "category_applied_input_types")
EVERY_CHAMPION = ("omni-moderation", "text-moderation", "assay")  # what the name of a model begins with then


class ModerationBody(BaseModel):
    """As OpenAI's. `model` names judges, divided by commas; OpenAI's own names and `assay` mean every champion."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "advice", "input": "Buy Apex today."}]})

    input: Annotated[str, Field(min_length=1)] | list[Annotated[str, Field(min_length=1)] | dict[str, Any]] = Field(
        description="A text, several texts, or one list of content parts."
    )
    model: str = Field(default="assay", min_length=1, max_length=400)


class ModerationResult(BaseModel):
    """What the judges say of one text. A category is true where the verdict is acted on, or failed closed. One of
    several texts that could not be judged has a `problem` and no categories, and is flagged: nobody said it is fine.
    """

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    problem: dict[str, Any] | None = None


class ModerationAnswer(BaseModel):
    """As OpenAI's."""

    id: str
    model: str
    results: list[ModerationResult]


@moderation_routes.post("/moderations", response_model=ModerationAnswer, responses=documented(404, 409, 415))
async def moderate(
    body: ModerationBody,
    request: Request,
    serving: ServingHere,
    caller: MayJudge,
    deadline_ms: DeadlineHeader = None,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Judge texts; each judge is a category. A text is what the criterion judges: its last field.

    Several texts are judged as a batch is: they wait for room until the deadline, and each has its own answer.
    """

    async def run() -> Answer:
        judges, texts = _judges(serving, body.model), _texts(body.input)
        check_judges(serving, judges, request_id_of(request))
        until = deadline_of(serving, None, deadline_ms, several=len(texts) > 1)
        if len(texts) == 1:
            results = [_result(await _moderated(serving, request, judges, texts[0], until))]
        else:
            results = await asyncio.gather(*(_one_of_several(serving, request, judges, text, until) for text in texts))
        return Answer(status=200, body=json.dumps({"id": new_id("modr"), "model": body.model, "results": results}))

    return await once(serving, caller, request, idempotency_key, run)


def _judges(serving: Serving, model: str) -> tuple[str, ...]:
    if not model.startswith(EVERY_CHAMPION):
        named = tuple(part.strip() for part in model.split(",") if part.strip())
        if not named or len(named) > serving.limits.max_judges:
            raise InputError("model names the judges.", required=f"1 to {serving.limits.max_judges}, by commas")
        return named
    return champions(serving, "model = NAME@ALIAS")


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    if all(isinstance(item, str) for item in given):
        texts = list(given)
    elif all(isinstance(item, dict) for item in given):
        content = content_of(given, "input")
        texts = [field_text(content)]
    else:
        raise InputError("input mixes texts and parts.", required="texts only, or content parts only")
    if not 0 < len(texts) <= MOST_TEXTS:
        raise InputError("input holds the texts.", required=f"1 to {MOST_TEXTS} of them", got=str(len(texts)))
    return texts


async def _one_of_several(
    serving: Serving, request: Request, judges: tuple[str, ...], text: str, until: float
) -> dict[str, Any]:
    try:
        return _result(await _moderated(serving, request, judges, text, until, waits=True))
    except AssayError as error:
        return {"flagged": True, **{name: {} for name in _BY_CATEGORY}, "problem": plain_problem(error)}


async def _moderated(
    serving: Serving, request: Request, judges: tuple[str, ...], text: str, until: float, *, waits: bool = False
) -> Answered:
    """Each judge gets the text as the field that it judges, so each is asked by itself."""
    request_id = request_id_of(request)
    asking = [
        ask_about_text(
            serving,
            ref,
            lambda reads: text_as(reads[-1], text),
            request_id=request_id,
            key=request_id,
            deadline_s=until,
            waits=waits,
        )
        for ref in judges
    ]
    answers = await asyncio.gather(*asking)
    verdicts = tuple(verdict for answered in answers for verdict in answered.verdicts)
    return Answered(request_id=request_id, verdicts=verdicts)


def _result(answered: Answered) -> dict[str, Any]:
    given = [one.given for one in answered.verdicts]
    categories = {one.name: one.action in ("flag", "block") for one in given}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": {one.name: _score(one) for one in given},
        "category_applied_input_types": {one.name: ["text"] for one in given},
    }


def _score(given: GivenVerdict) -> float:
    """The probability of what is acted on: of a binary scale's positive label, else of the label given."""
    verdict = given.verdict
    if verdict.kind == "failed":
        return 1.0 if given.action == "block" else 0.0
    if verdict.kind == "abstained":
        return 0.5
    return verdict.probability if given.action != "allow" else 1.0 - verdict.probability
