"""`POST /v1/labels`: feedback. What somebody says of a verdict becomes a label of the example that was judged; an
expert's label of a verdict that awaits people is also their answer in its queue.
"""

import asyncio
import json
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from assay.labelling.by_verdict import answer_by_verdict
from assay.schema.errors import ConflictError, RefusedError
from assay.schema.example import Example, content_id
from assay.schema.ids import utc_now
from assay.schema.label import Label
from assay.server.asking import IdempotencyHeader, MayLabel, ServingHere
from assay.server.bodies import LabelBody, LabelledBody
from assay.server.once import once
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.store import criteria, examples, verdicts
from assay.store.answers import Answer

label_routes = APIRouter(prefix="/v1", tags=["labels"], responses=EVERYWHERE)


@label_routes.post("/labels", response_model=LabelledBody, responses=documented(404, 409, 415))
async def add_label(
    body: LabelBody,
    request: Request,
    serving: ServingHere,
    caller: MayLabel,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Label what a verdict was about. The example, as it is stored (redacted), becomes one of the workspace's.

    Where the judge declined and people decide, a label of source `expert` is that labeller's answer in the queue, as if
    given at the labelling page; other sources are feedback, and the example goes on waiting.
    """

    async def run() -> Answer:
        await serving.recorder.settled()
        return Answer(status=200, body=json.dumps(await asyncio.to_thread(_add, serving, body)))

    return await once(serving, caller, request, idempotency_key, run)


def _add(serving: Serving, body: LabelBody) -> dict[str, Any]:
    with serving.database.read() as connection:
        stored = verdicts.get(connection, body.verdict_id)
        if stored.example is None or not stored.given.criterion:
            raise RefusedError(
                "The text of this verdict was not kept, so there is nothing to label.",
                required="keep_text = true in [serving] of assay.toml when the verdict is given",
            )
        value = criteria.get(connection, stored.given.criterion).check_label(body.value)
    label = Label(
        example_id=stored.example.id,
        value=value,
        labeller=body.labeller,
        source=body.source,
        criterion=stored.given.criterion,
        created_at=utc_now(),
        explanation=body.explanation,
    )
    answered = answer_by_verdict(serving.database, body.verdict_id, label) if body.source == "expert" else None
    if answered is not None:
        label = replace(label, example_id=answered.example_id)
        return _told(label, new=answered.new, queue=answered.queue)
    try:
        return _told(label, new=_write(serving, stored.example, label))
    except ConflictError:  # the id stands for the text before it was redacted
        other = replace(stored.example, id=content_id(stored.example.content()))
        label = replace(label, example_id=other.id)
        return _told(label, new=_write(serving, other, label))


def _told(label: Label, *, new: bool, queue: str | None = None) -> dict[str, Any]:
    return {"example_id": label.example_id, "criterion": label.criterion, "new": new, "queue": queue}


def _write(serving: Serving, example: Example, label: Label) -> bool:
    with serving.database.begin() as connection:
        return examples.add(connection, [example], [label], None).new_labels > 0
