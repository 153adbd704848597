"""`POST /v1/events`: the asynchronous way in. 202 means that the events are in the database and will be judged."""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from assay.ingest.examples import example_of
from assay.schema.errors import InputError, shown
from assay.schema.ids import new_id
from assay.server.asking import IdempotencyHeader, MayJudge, MayRead, ServingHere, deadline_of, request_id_of
from assay.server.bodies import AcceptedBody, EventBody, EventsBody, EventStateBody
from assay.server.limits import check_request
from assay.server.once import once
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.serving.asked import AS_OUR_FIELDS, chars_of
from assay.serving.verdict_shape import plain_verdict
from assay.store import awaiting, events, verdicts
from assay.store.answers import Answer
from assay.store.awaiting import Awaiting
from assay.store.events import Event
from assay.store.verdicts import StoredVerdict, VerdictQuery

event_routes = APIRouter(prefix="/v1", tags=["events"], responses=EVERYWHERE)
MOST_VERDICTS = 500


@event_routes.post("/events", status_code=202, response_model=AcceptedBody, responses=documented(404, 409, 415))
async def accept(
    body: EventsBody,
    request: Request,
    serving: ServingHere,
    caller: MayJudge,
    idempotency_key: IdempotencyHeader = None,
) -> Response:
    """Accept events to be judged, all of them or none.

    Their verdicts are at `GET /v1/events/{id}` and `GET /v1/verdicts?event_id=…`, and go to the webhook that is named.
    """

    async def run() -> Answer:
        new = [await _event(serving, one, request_id_of(request)) for one in body.events]
        await serving.intake.accept(new)
        return Answer(status=202, body=json.dumps({"event_ids": [event.id for event in new]}))

    return await once(serving, caller, request, idempotency_key, run)


@event_routes.get("/events/{event_id}", response_model=EventStateBody, responses=documented(404))
async def event_state(event_id: str, serving: ServingHere, caller: MayRead) -> dict[str, Any]:
    """Whether an event was judged, and its verdicts."""
    del caller
    event, found, people = await run_in_threadpool(_state, serving, event_id)
    return {
        "event_id": event.id,
        "state": event.state,
        "attempts": event.attempts,
        "created_at": event.created_at,
        "done_at": event.done_at,
        "verdicts": [plain_verdict(one.given, people.get(one.given.id)) for one in reversed(found)],
    }


async def _event(serving: Serving, body: EventBody, request_id: str) -> Event:
    """A body as an event. Refused now is what could not be judged later."""
    if body.webhook is not None and body.webhook not in serving.webhooks.addresses:
        raise InputError(
            f"There is no webhook {shown(body.webhook)}.",
            required=f"one of {sorted(serving.webhooks.addresses)}, from [webhooks.NAME] of assay.toml",
        )
    values, key = body.values(), body.group or body.id or ""
    check_request(serving.limits, judges=len(body.judges), chars=chars_of(values))
    for ref in body.judges:
        criterion = await serving.service.criterion(ref, key=key, deadline_s=deadline_of(serving, None, None))
        example_of(values, AS_OUR_FIELDS, criterion)
    return Event(
        id=body.event_id or new_id("ev"),
        body={
            "request_id": request_id,
            "judges": body.judges,
            "values": values,
            "mode": body.mode,
            "key": key,
            "webhook": body.webhook,
            "trace_id": body.trace_id,
            "span_id": body.span_id,
        },
    )


def _state(serving: Serving, event_id: str) -> tuple[Event, tuple[StoredVerdict, ...], dict[str, Awaiting]]:
    with serving.database.read() as connection:
        event = events.get(connection, event_id)
        found = verdicts.find(connection, VerdictQuery(event_id=event_id, limit=MOST_VERDICTS))
        return event, found, awaiting.of_verdicts(connection, found)
