"""The application: its routes in one table, one shape for every error, one envelope around every request."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from assay.server import problems
from assay.server.api.events import event_routes
from assay.server.api.health import health_routes
from assay.server.api.judges import judges_routes
from assay.server.api.judging import judging_routes
from assay.server.api.labels import label_routes
from assay.server.api.litellm import litellm_routes
from assay.server.api.moderations import moderation_routes
from assay.server.api.traces import trace_routes
from assay.server.api.verdicts import verdict_routes
from assay.server.envelope import Envelope
from assay.server.labelling.app import MOUNTED_AT, labelling_app
from assay.server.running import Serving
from assay.server.ui.routes import ui_routes

DESCRIPTION = """Small-language-model judges: `POST /v1/judge` for an answer now, `POST /v1/events` for one later.

A judge is addressed as `NAME` (its champion), `NAME@ALIAS` or `NAME-DIGEST`. Every error is problem JSON (RFC 9457)."""

ROUTES = (
    judging_routes,
    event_routes,
    verdict_routes,
    label_routes,
    judges_routes,
    moderation_routes,
    litellm_routes,
    trace_routes,
    health_routes,
    ui_routes,
)


def server_app(serving: Serving, version: str = "0") -> FastAPI:
    """The ASGI application of a server. Its lifespan starts and ends the work of `serving`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with serving.at_work():
            yield

    app = FastAPI(
        title="Assay", description=DESCRIPTION, version=version, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.serving = serving
    app.openapi = lambda: _described(app)  # type: ignore[method-assign] # FastAPI's own way of adding to it
    problems.install(app)
    app.mount(MOUNTED_AT, labelling_app(serving.database))  # before the page's own files, which are under /ui too
    for routes in ROUTES:
        app.include_router(routes)
    app.add_middleware(Envelope, max_body_bytes=serving.limits.max_body_bytes, instruments=serving.instruments)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the shape of problems that every route refers to."""
    if app.openapi_schema is None:
        described = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        described["components"]["schemas"]["Problem"] = problems.Problem.model_json_schema()
        app.openapi_schema = described
    return app.openapi_schema
