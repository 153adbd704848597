"""`GET /v1/verdicts`, by query, and `GET /v1/verdicts/{id}`."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from assay.schema.records import to_jsonable
from assay.server.asking import MayRead, ServingHere
from assay.server.bodies import StoredVerdictBody, VerdictPage
from assay.server.problems import EVERYWHERE, documented
from assay.server.running import Serving
from assay.serving.verdict_shape import plain_verdict
from assay.store import awaiting, verdicts
from assay.store.awaiting import Awaiting
from assay.store.verdicts import Role, StoredVerdict, VerdictQuery

verdict_routes = APIRouter(prefix="/v1", tags=["verdicts"], responses=EVERYWHERE)
_Word = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
LARGEST_SEQUENCE = 2**63 - 1


@verdict_routes.get("/verdicts", response_model=VerdictPage)
async def list_verdicts(  # noqa: PLR0913, PLR0917 - each is a query parameter
    serving: ServingHere,
    caller: MayRead,
    name: _Word = None,
    judge: _Word = None,
    request_id: _Word = None,
    event_id: _Word = None,
    trace_id: _Word = None,
    kind: Literal["decided", "abstained", "failed"] | None = None,
    label: _Word = None,
    role: Role | None = None,
    route: _Word = None,
    since: _Word = None,
    until: _Word = None,
    before: Annotated[int | None, Query(ge=0, le=LARGEST_SEQUENCE)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> dict[str, Any]:
    """Verdicts, newest first. `name` is a judge's, `judge` a version, `route` who spoke; times are ISO 8601 in UTC."""
    del caller
    query = VerdictQuery(
        name=name,
        judge=judge,
        request_id=request_id,
        event_id=event_id,
        trace_id=trace_id,
        kind=kind,
        label=label,
        role=role,
        route=route,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    await serving.recorder.settled()
    found, people = await asyncio.to_thread(_find, serving, query)
    more = found[-1].sequence if len(found) == limit else None
    return {"verdicts": [plain_verdict(one.given, people.get(one.given.id)) for one in found], "next": more}


@verdict_routes.get("/verdicts/{verdict_id}", response_model=StoredVerdictBody, responses=documented(404))
async def one_verdict(verdict_id: str, serving: ServingHere, caller: MayRead) -> dict[str, Any]:
    """One verdict with what was judged, redacted; and, where people decide what the judge declined, their answer."""
    del caller
    await serving.recorder.settled()
    stored, asked = await asyncio.to_thread(_get, serving, verdict_id)
    example = None if stored.example is None else to_jsonable(stored.example)
    return {**plain_verdict(stored.given, asked), "example": example}


def _find(serving: Serving, query: VerdictQuery) -> tuple[tuple[StoredVerdict, ...], dict[str, Awaiting]]:
    with serving.database.read() as connection:
        found = verdicts.find(connection, query)
        return found, awaiting.of_verdicts(connection, found)


def _get(serving: Serving, verdict_id: str) -> tuple[StoredVerdict, Awaiting | None]:
    with serving.database.read() as connection:
        stored = verdicts.get(connection, verdict_id)
        return stored, awaiting.of_verdicts(connection, [stored]).get(verdict_id)
