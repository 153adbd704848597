"""The application: its routes and the headers on everything it sends. Errors are problem JSON, as everywhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from assay.schema.errors import RefusedError
from assay.server import problems
from assay.server.labelling.routes import label_routes
from assay.server.labelling.sessions import Throttle, is_cross_site
from assay.store.database import Database

MOUNTED_AT = "/ui/label"
PAGE = Path(__file__).parent / "page"
HEADERS = {
    # no inline script, no inline style, nothing from elsewhere, in nobody's frame
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def labelling_app(database: Database) -> FastAPI:
    """The page and its routes over an open database, to be mounted anywhere."""
    app = FastAPI(title="Assay labelling", openapi_url=None)
    app.state.database = database
    app.state.throttle = Throttle()
    app.middleware("http")(_guarded)
    problems.install(app)
    app.include_router(label_routes)
    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def standalone_app(database: Database) -> FastAPI:
    """The page alone, at the same address as under the server; `/` leads there."""
    app = FastAPI(title="Assay labelling", openapi_url=None)
    app.add_api_route("/", lambda: RedirectResponse(f"{MOUNTED_AT}/"), include_in_schema=False)
    app.mount(MOUNTED_AT, labelling_app(database))
    return app


async def _guarded(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
    if is_cross_site(request):
        response = problems.refusal(
            str(request.scope.get("assay_request_id", "")),
            RefusedError("This request comes from another site.", required="the labelling page itself"),
        )
    else:
        response = await following(request)
    for name, value in HEADERS.items():
        response.headers[name] = value
    # pages are asked for anew each time (their ETag answers); what is under judgement stays in no cache
    response.headers["Cache-Control"] = "no-store" if "/api/" in request.url.path else "no-cache"
    return response
