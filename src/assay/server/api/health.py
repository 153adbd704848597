"""`/healthz`, `/readyz` and `/metrics`: what orchestrators and Prometheus ask."""

import asyncio

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from assay.schema.errors import AssayError
from assay.server.asking import MayRead, ServingHere
from assay.server.bodies import HealthBody
from assay.server.problems import EVERYWHERE
from assay.server.running import Serving
from assay.store import events

health_routes = APIRouter(tags=["health"])


@health_routes.get("/healthz", response_model=HealthBody)
async def healthz() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok", "reasons": []})


@health_routes.get("/readyz", response_model=HealthBody, responses={503: {"model": HealthBody}})
async def readyz(serving: ServingHere) -> Response:
    """Requests may be sent here: the judges were loaded, the database answers. What is amiss stands in `reasons`."""
    if not serving.watch.looked:
        return JSONResponse({"status": "starting", "reasons": ["the judges are being loaded"]}, 503)
    reasons = [f"{judge} cannot be loaded" for judge in serving.watch.problems]
    reasons += [f"{ready.version.id}: {missing}" for ready in serving.judges.ready() for missing in ready.missing]
    try:
        await asyncio.to_thread(_waiting, serving)
    except AssayError as error:
        return JSONResponse({"status": "degraded", "reasons": [error.problem, *reasons]}, 503)
    return JSONResponse({"status": "degraded" if reasons else "ok", "reasons": reasons})


@health_routes.get("/metrics", response_class=Response, responses=EVERYWHERE)
async def metrics(serving: ServingHere, caller: MayRead) -> Response:
    """Prometheus metrics."""
    del caller
    return Response(serving.instruments.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _waiting(serving: Serving) -> int:
    with serving.database.read() as connection:
        return events.waiting(connection)
